#include "ml/adpredictor.h"

#include <algorithm>
#include <cmath>

#include "ml/coordinate_update.h"
#include "ml/hash.h"
#include "ml/learner_kernel.h"
#include "ml/normal_distribution.h"
#include "ml/option_check.h"
#include "ml/settings_hash.h"

namespace millrace::ml {
namespace {

// A variance never becomes 0, which would mean "not seen yet".
constexpr float kVarianceMin = 1e-30F;

// m = sum mu_i x_i and sum x_i^2 s2_i.
struct Moments {
    double mean = 0;
    double variance = 0;
    Moments& operator+=(const Moments& other) {
        mean += other.mean;
        variance += other.variance;
        return *this;
    }
    friend Moments operator+(Moments a, const Moments& b) { return a += b; }
};

Moments term(float mean, float variance, float x) {
    const double wide = static_cast<double>(x);
    return {.mean = static_cast<double>(mean) * wide,
            .variance = static_cast<double>(variance) * wide * wide};
}

class AdPredictorRule {
  public:
    AdPredictorRule(const AdPredictorOptions& options, Table& table)
        : cells_(table),
          beta2_(options.beta * options.beta),
          prior_variance_(static_cast<float>(options.prior_variance)),
          epsilon_(static_cast<float>(options.epsilon)) {}

    template <bool kOnes>
    bool learn(const Row<kOnes>& row, float label, float weight, float& score) {
        const Moments sums = interleaved_sum<Moments>(row.count, [&](std::uint32_t i) {
            const Cell& cell = cells_.cell(row.slots[i]);
            return term(cell.w, variance_of(cell.state[0]), row.value(i));
        });
        const double s = beta2_ + sums.variance;
        if (!std::isfinite(sums.mean) || !std::isfinite(s)) return false;
        if (!gradient_allowed(row, std::max(1.0, static_cast<double>(weight)))) return false;
        const double y = label == 1.0F ? 1 : -1;
        const double root_s = std::sqrt(s);
        const double t = y * sums.mean / root_s;
        const Truncation cut = truncation(t);
        score = static_cast<float>(y > 0 ? cut.cdf : normal_cdf(-t));
        shift_ = static_cast<float>(y * cut.v / root_s);
        shrink_ = static_cast<float>(cut.w / s);
        weight_ = weight;
        if (weight > 0) cells_.update(row, 1.0F, *this);
        return true;
    }

    template <class V>
    void step(V x, V& mean, V& variance, V& prior_mean, V&) const {
        const V before = where_zero(variance, V(prior_variance_), variance);
        const V moved = mean + x * before * V(shift_);
        const V left = V(1.0F) - x * (x * before * V(shrink_));
        V after = larger(before * left, V(kVarianceMin));
        V mean_after = moved;
        if (weight_ != 1.0F) weigh(mean, before, mean_after, after);
        if (epsilon_ > 0) forget(prior_mean, mean_after, after);
        mean = mean_after;
        variance = after;
    }
    void step_bias(float x, Cell& cell) const {
        step(x, cell.w, cell.state[0], cell.state[1], cell.state[2]);
    }

  private:
    [[nodiscard]] float variance_of(float stored) const {
        return where_zero(stored, prior_variance_, stored);
    }

    // Turns the posterior of one such row into that of h = `weight_` such rows: precision and
    // precision-mean grow h times as much. With r = variance_after / variance,
    //   s2' = s2 r / (r + h (1 - r));   mu' = (r mu + h (mu_after - r mu)) / (r + h (1 - r))
    template <class V>
    void weigh(V mean, V variance, V& mean_after, V& variance_after) const {
        const V h(weight_);
        const V r = variance_after / variance;
        const V divisor = r + h * (V(1.0F) - r);
        variance_after = larger(variance * r / divisor, V(kVarianceMin));
        mean_after = (r * mean + h * (mean_after - r * mean)) / divisor;
    }

    template <class V>
    void forget(V prior_mean, V& mean, V& variance) const {
        const V v0(prior_variance_);
        const V keep(1.0F - epsilon_);
        const V eps(epsilon_);
        const V divisor = keep * v0 + eps * variance;
        mean = (keep * v0 * mean + eps * variance * prior_mean) / divisor;
        variance = variance * v0 / divisor;
    }

    CoordinateUpdate cells_;
    const double beta2_;
    const float prior_variance_;
    const float epsilon_;
    float shift_ = 0;   // y v / sqrt(S) of the row in hand
    float shrink_ = 0;  // w / S
    float weight_ = 1;
};

class AdPredictorScore {
  public:
    AdPredictorScore(const ServingView& view, const AdPredictorOptions& options)
        : view_(view),
          beta2_(options.beta * options.beta),
          prior_variance_(static_cast<float>(options.prior_variance)) {}

    template <bool kOnes>
    [[nodiscard]] Scored score(const Row<kOnes>& row) const {
        const Moments sums = interleaved_sum<Moments>(row.count, [&](std::uint32_t i) {
            const ServingView::MeanAndVariance cell = view_.mean_and_variance(row.slots[i]);
            return term(cell.mean, where_zero(cell.variance, prior_variance_, cell.variance),
                        row.value(i));
        });
        const double p = normal_cdf(sums.mean / std::sqrt(beta2_ + sums.variance));
        return {.score = static_cast<float>(p), .variance = static_cast<float>(sums.variance)};
    }

  private:
    const ServingView& view_;
    const double beta2_;
    const float prior_variance_;
};

}  // namespace

Result<std::unique_ptr<Learner>> AdPredictor::create(const AdPredictorOptions& options) {
    MILLRACE_TRY(require_positive("beta", options.beta));
    MILLRACE_TRY(require_positive("prior_variance", options.prior_variance));
    MILLRACE_TRY(require_not_negative("epsilon", options.epsilon));
    if (options.epsilon >= 1) {
        return fail(Code::kInvalidOption, "epsilon must be < 1, is {}", options.epsilon);
    }
    MILLRACE_TRY(require_between("prior_rate", options.prior_rate, 0, 1));
    return std::make_unique<AdPredictor>(options);
}

std::uint64_t AdPredictor::settings_hash() const {
    return settings_hash_of(
        name(), {options_.beta, options_.prior_variance, options_.epsilon, options_.prior_rate});
}

std::uint64_t AdPredictor::identity_hash() const { return hash_bytes("adpredictor 1", 0); }

bool AdPredictor::cells_valid(std::span<const Cell> cells) const {
    return std::ranges::all_of(cells, [](const Cell& cell) {
        return std::isfinite(cell.w) && std::isfinite(cell.state[0]) && cell.state[0] >= 0 &&
               std::isfinite(cell.state[1]);
    });
}

void AdPredictor::set_prior(Table& table, double active_features) const {
    const double s = options_.beta * options_.beta + active_features * options_.prior_variance;
    Cell& bias = table.cells()[kBiasSlot];
    bias.w = static_cast<float>(normal_quantile(options_.prior_rate) * std::sqrt(s));
    bias.state = {static_cast<float>(options_.prior_variance), bias.w, 0};
    table.mark_dirty(kBiasSlot);
}

RowCounts AdPredictor::train_rows(Table& table, const SparseRows& rows,
                                  std::span<float> scores) const {
    AdPredictorRule rule(options_, table);
    return train_with(rule, label_rule(), table, rows, scores);
}

void AdPredictor::predict_rows(const ServingView& view, const SparseRows& rows,
                               std::span<float> scores, std::span<float> variances) const {
    predict_with([&](const ModelScalars&) { return AdPredictorScore(view, options_); }, view, rows,
                 scores, variances);
}

}  // namespace millrace::ml
