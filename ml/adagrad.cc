#include "ml/adagrad.h"

#include <bit>
#include <cmath>

#include "ml/coordinate_update.h"
#include "ml/hash.h"
#include "ml/learner_kernel.h"
#include "ml/linear_score.h"
#include "ml/option_check.h"
#include "ml/settings_hash.h"

namespace millrace::ml {
namespace {

// Keeps 0/0 out where epsilon = beta = 0.
constexpr float kTiny = 1e-18F;

class AdaGradRule {
  public:
    AdaGradRule(const AdaGradOptions& options, Table& table)
        : cells_(table),
          rate_(static_cast<float>(options.rate)),
          epsilon_(static_cast<float>(options.epsilon)),
          beta_(static_cast<float>(options.beta)),
          bias_rate_(static_cast<float>(options.bias_rate)),
          loss_(options.loss) {}

    template <bool kOnes>
    bool learn(const Row<kOnes>& row, float label, float weight, float& score) {
        const float margin = cells_.margin(row);
        if (!std::isfinite(margin)) return false;
        const double p = predicted(loss_, static_cast<double>(margin));
        const double slope =
            static_cast<double>(weight) * loss_derivative(loss_, p, static_cast<double>(label));
        if (!gradient_allowed(row, slope)) return false;
        score = static_cast<float>(p);
        cells_.update(row, static_cast<float>(slope), *this);
        return true;
    }

    // Moves one coordinate (V = float) or four (Float4) by the gradient g.
    template <class V>
    void step(V g, V& w, V& n, V&, V&) const {
        n = n + g * g;
        w = w - V(rate_) * g / larger(V(beta_) + root(n + V(epsilon_)), V(kTiny));
    }
    void step_bias(float g, Cell& cell) const {
        if (bias_rate_ > 0) {
            cell.w -= bias_rate_ * g;
        } else {
            step(g, cell.w, cell.state[0], cell.state[1], cell.state[2]);
        }
    }

  private:
    CoordinateUpdate cells_;
    const float rate_;
    const float epsilon_;
    const float beta_;
    const float bias_rate_;
    const Loss loss_;
};

}  // namespace

Result<std::unique_ptr<Learner>> AdaGrad::create(const AdaGradOptions& options) {
    MILLRACE_TRY(require_positive("rate", options.rate));
    MILLRACE_TRY(require_not_negative("epsilon", options.epsilon));
    MILLRACE_TRY(require_not_negative("beta", options.beta));
    MILLRACE_TRY(require_not_negative("bias_rate", options.bias_rate));
    return std::make_unique<AdaGrad>(options);
}

std::uint64_t AdaGrad::settings_hash() const {
    return settings_hash_of(name(), {options_.rate, options_.epsilon, options_.beta,
                                     static_cast<double>(options_.loss), options_.bias_rate});
}

std::uint64_t AdaGrad::identity_hash() const {
    // epsilon and beta are part of what n means.
    std::uint64_t hash = hash_bytes("adagrad 1", static_cast<std::uint64_t>(options_.loss));
    hash = IntegerHash(hash)(std::bit_cast<std::int64_t>(options_.epsilon));
    hash = IntegerHash(hash)(std::bit_cast<std::int64_t>(options_.beta));
    return IntegerHash(hash)(options_.bias_rate > 0 ? 1 : 0);
}

RowCounts AdaGrad::train_rows(Table& table, const SparseRows& rows, std::span<float> scores) const {
    AdaGradRule rule(options_, table);
    return train_with(rule, label_rule(), table, rows, scores);
}

void AdaGrad::predict_rows(const ServingView& view, const SparseRows& rows, std::span<float> scores,
                           std::span<float> variances) const {
    predict_linear(view, options_.loss, false, rows, scores, variances);
}

}  // namespace millrace::ml
