// AdaGrad, per coordinate (Duchi, Hazan, Singer 2011).
//
//   g_i = h dl/dm x_i;   n_i += g_i^2;   w_i -= rate g_i / (beta + sqrt(n_i + epsilon))
//
// Where the small number sits changes the fourth digit, so both places have a name: epsilon inside
// the root (beta 0) is the default; beta > 0 with epsilon 0 is FTRL-Proximal with l1 = l2 = 0.
// Cell: w, n, two floats to spare.
//
// Threads, Failure: as Learner says.

#pragma once

#include <memory>

#include "ml/learner.h"
#include "ml/loss.h"
#include "runtime/base/status.h"

namespace millrace::ml {

struct AdaGradOptions {
    double rate = 0.1;      // > 0
    double epsilon = 1e-8;  // >= 0
    double beta = 0;        // >= 0
    Loss loss = Loss::kLogistic;
    // > 0: the constant feature is learnt by plain SGD with this rate instead. 0: like the others.
    double bias_rate = 0;
};

class AdaGrad final : public Learner {
  public:
    static Result<std::unique_ptr<Learner>> create(const AdaGradOptions& options);

    explicit AdaGrad(const AdaGradOptions& options) : options_(options) {}

    [[nodiscard]] std::string_view name() const override { return "adagrad"; }
    [[nodiscard]] std::uint64_t identity_hash() const override;
    [[nodiscard]] std::uint64_t settings_hash() const override;
    [[nodiscard]] LabelRule label_rule() const override { return label_rule_of(options_.loss); }
    [[nodiscard]] bool scores_are_probabilities() const override {
        return options_.loss == Loss::kLogistic;
    }
    RowCounts train_rows(Table& table, const SparseRows& rows,
                         std::span<float> scores) const override;
    void predict_rows(const ServingView& view, const SparseRows& rows, std::span<float> scores,
                      std::span<float> variances) const override;

  private:
    AdaGradOptions options_;
};

}  // namespace millrace::ml
