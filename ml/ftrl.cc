#include "ml/ftrl.h"

#include <algorithm>

#include "ml/coordinate_update.h"
#include "ml/hash.h"
#include "ml/learner_kernel.h"
#include "ml/linear_score.h"
#include "ml/option_check.h"
#include "ml/settings_hash.h"

namespace millrace::ml {
namespace {

// Keeps divisions finite where beta = 0 and g^2 is too small for a float.
constexpr float kTiny = 1e-18F;

struct Rates {
    explicit Rates(const FtrlOptions& options)
        : alpha(static_cast<float>(options.alpha)),
          inverse_alpha(static_cast<float>(1 / options.alpha)),
          beta(static_cast<float>(options.beta)) {}
    float alpha;
    float inverse_alpha;
    float beta;
};

// The closed form of (z, n). V is float or Float4.
template <class V>
[[gnu::always_inline]] inline V weight_of(V z, V root_n, const Rates& rates, V l1, V l2) {
    const V divisor = (V(rates.beta) + root_n) * V(rates.inverse_alpha) + l2;
    const V size = (magnitude(z) - l1) / larger(divisor, V(kTiny));
    return where_greater(magnitude(z), l1, opposite_sign(size, z));
}

template <class V>
[[gnu::always_inline]] inline void ftrl_step(V g, V& w, V& z, V& n, V& root_n, const Rates& rates,
                                             V l1, V l2) {
    const V squared = g * g;
    const V n_new = n + squared;
    const V root_new = root(n_new);
    const V s = squared / larger(V(rates.alpha) * (root_new + root_n), V(kTiny));
    z = z + (g - s * w);
    n = n_new;
    root_n = root_new;
    w = weight_of(z, root_new, rates, l1, l2);
}

class FtrlRule {
  public:
    FtrlRule(const FtrlOptions& options, Table& table)
        : cells_(table),
          scalars_(table.scalars()),
          rates_(options),
          l1_(static_cast<float>(options.l1)),
          l2_(static_cast<float>(options.l2)),
          bias_rate_(static_cast<float>(options.bias_rate)),
          loss_(options.loss),
          clip_(options.clip_to_labels) {}

    template <bool kOnes>
    bool learn(const Row<kOnes>& row, float label, float weight, float& score) {
        const float margin = cells_.margin(row);
        if (!std::isfinite(margin)) return false;
        ModelScalars seen = scalars_;
        seen.label_low = std::min(seen.label_low, label);
        seen.label_high = std::max(seen.label_high, label);
        const double p = clipped_prediction(loss_, static_cast<double>(margin), clip_, seen);
        const double slope =
            static_cast<double>(weight) * loss_derivative(loss_, p, static_cast<double>(label));
        if (!gradient_allowed(row, slope)) return false;
        scalars_ = seen;
        score = static_cast<float>(p);
        cells_.update(row, static_cast<float>(slope), *this);
        return true;
    }

    template <class V>
    void step(V g, V& w, V& z, V& n, V& root_n) const {
        ftrl_step(g, w, z, n, root_n, rates_, V(l1_), V(l2_));
    }
    void step_bias(float g, Cell& cell) const {
        if (bias_rate_ > 0) {
            cell.w -= bias_rate_ * g;
        } else {
            ftrl_step(g, cell.w, cell.state[0], cell.state[1], cell.state[2], rates_, 0.0F, 0.0F);
        }
    }

  private:
    CoordinateUpdate cells_;
    ModelScalars& scalars_;
    const Rates rates_;
    const float l1_;
    const float l2_;
    const float bias_rate_;
    const Loss loss_;
    const bool clip_;
};

}  // namespace

Result<std::unique_ptr<Learner>> Ftrl::create(const FtrlOptions& options) {
    MILLRACE_TRY(require_positive("alpha", options.alpha));
    MILLRACE_TRY(require_not_negative("beta", options.beta));
    MILLRACE_TRY(require_not_negative("l1", options.l1));
    MILLRACE_TRY(require_not_negative("l2", options.l2));
    MILLRACE_TRY(require_not_negative("bias_rate", options.bias_rate));
    if (options.clip_to_labels && options.loss == Loss::kLogistic) {
        return fail(Code::kInvalidOption, "clip_to_labels needs a squared loss, loss is logistic");
    }
    return std::make_unique<Ftrl>(options);
}

std::uint64_t Ftrl::settings_hash() const {
    return settings_hash_of(name(), {options_.alpha, options_.beta, options_.l1, options_.l2,
                                     static_cast<double>(options_.loss), options_.bias_rate,
                                     options_.clip_to_labels ? 1.0 : 0.0});
}

std::uint64_t Ftrl::identity_hash() const {
    const std::uint64_t bias = options_.bias_rate > 0 ? 1 : 0;
    // 1 had no root of n in its cells.
    return hash_bytes("ftrl 2", (static_cast<std::uint64_t>(options_.loss) << 1) | bias);
}

void Ftrl::rederive(Table& table) const {
    const Rates rates(options_);
    const auto l1 = static_cast<float>(options_.l1);
    const auto l2 = static_cast<float>(options_.l2);
    const std::span<Cell> cells = table.cells();
    if (!(options_.bias_rate > 0)) {
        Cell& bias = cells[kBiasSlot];
        bias.w = weight_of(bias.state[0], root(bias.state[1]), rates, 0.0F, 0.0F);
    }
    for (Cell& cell : cells.subspan(kBiasSlot + 1)) {
        cell.w = weight_of(cell.state[0], root(cell.state[1]), rates, l1, l2);
    }
    table.mark_all_dirty();
}

RowCounts Ftrl::train_rows(Table& table, const SparseRows& rows, std::span<float> scores) const {
    FtrlRule rule(options_, table);
    return train_with(rule, label_rule(), table, rows, scores);
}

void Ftrl::predict_rows(const ServingView& view, const SparseRows& rows, std::span<float> scores,
                        std::span<float> variances) const {
    predict_linear(view, options_.loss, options_.clip_to_labels, rows, scores, variances);
}

}  // namespace millrace::ml
