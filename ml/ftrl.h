// FTRL-Proximal, per coordinate, with L1 and L2 (McMahan et al. 2013, "Ad Click Prediction: a View
// from the Trenches", algorithm 1).
//
//   w_i = 0                                                       if |z_i| <= l1
//   w_i = -(z_i - sign(z_i) l1) / ((beta + sqrt(n_i))/alpha + l2)  otherwise
//   g_i = h dl/dm x_i
//   s_i = (sqrt(n_i + g_i^2) - sqrt(n_i)) / alpha  =  g_i^2 / (alpha (sqrt(n_i + g_i^2) +
//   sqrt(n_i))) z_i += g_i - s_i w_i;   n_i += g_i^2
//
// h is the row's weight, m the margin. s is computed in its second form, which does not cancel.
// Cell: w (cached closed form of z and n), z, n, sqrt(n) (kept: a root less a step). The constant
// feature's cell has l1 = l2 = 0.
//
// Threads, Failure: as Learner says.

#pragma once

#include <memory>

#include "ml/learner.h"
#include "ml/loss.h"
#include "runtime/base/status.h"

namespace millrace::ml {

struct FtrlOptions {
    double alpha = 0.1;  // Rate: > 0. 0.02 to 0.3 are usual.
    double beta = 1;     // >= 0; the rate of a coordinate begins at alpha / beta.
    double l1 = 0;       // >= 0; 1 for large hashed models: most weights are then exactly 0.
    double l2 = 0;       // >= 0
    Loss loss = Loss::kLogistic;
    // > 0: the constant feature is learnt by plain SGD with this rate instead. 0: like the others.
    double bias_rate = 0;
    // Squared losses only: predictions are clipped to the range of the labels seen, which starts at
    // [0, 0] and is widened by a row's label before the row is predicted (Vowpal Wabbit's habit).
    bool clip_to_labels = false;
};

class Ftrl final : public Learner {
  public:
    static Result<std::unique_ptr<Learner>> create(const FtrlOptions& options);

    explicit Ftrl(const FtrlOptions& options) : options_(options) {}

    [[nodiscard]] std::string_view name() const override { return "ftrl"; }
    [[nodiscard]] std::uint64_t identity_hash() const override;
    [[nodiscard]] std::uint64_t settings_hash() const override;
    [[nodiscard]] LabelRule label_rule() const override { return label_rule_of(options_.loss); }
    [[nodiscard]] bool scores_are_probabilities() const override {
        return options_.loss == Loss::kLogistic;
    }
    void rederive(Table& table) const override;
    RowCounts train_rows(Table& table, const SparseRows& rows,
                         std::span<float> scores) const override;
    void predict_rows(const ServingView& view, const SparseRows& rows, std::span<float> scores,
                      std::span<float> variances) const override;

  private:
    FtrlOptions options_;
};

}  // namespace millrace::ml
