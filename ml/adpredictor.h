// AdPredictor: Bayesian online probit regression (Graepel, Quinonero Candela, Borchert, Herbrich
// 2010, "Web-Scale Bayesian Click-Through Rate Prediction").
//
// Each weight is a Gaussian (mu_i, s2_i). With y in {-1, 1}:
//   S = beta^2 + sum x_i^2 s2_i;   m = sum mu_i x_i;   p = Phi(m / sqrt(S));   t = y m / sqrt(S)
//   v = N(t)/Phi(t);   w = v (v + t)
//   mu_i += y x_i (s2_i / sqrt(S)) v;   s2_i *= 1 - x_i^2 (s2_i / S) w
// epsilon > 0 lets every weight that was just learnt move back towards its prior (m0, v0):
//   s2' = s2 v0 / d;   mu' = ((1 - eps) v0 mu + eps s2 m0) / d;   d = (1 - eps) v0 + eps s2
// A row of weight h != 1 adds h times the precision and precision-mean that the row would add.
//
// Cell: mu, s2 (0: not seen yet, so (0, v0)), m0, one float to spare. Sums over a row are in
// double.
//
// Threads, Failure: as Learner says.

#pragma once

#include <memory>

#include "ml/learner.h"
#include "runtime/base/status.h"

namespace millrace::ml {

struct AdPredictorOptions {
    double beta = 1;              // > 0: noise of the score.
    double prior_variance = 0.1;  // > 0: v0; 1 to 3 divided by the entries of a row is right.
    double epsilon = 0;           // >= 0 and < 1; 1e-4 to 1e-3 under drift.
    // > 0 and < 1: what version 0 predicts; sets the mean of the constant feature's weight.
    double prior_rate = 0.5;
};

class AdPredictor final : public Learner {
  public:
    static Result<std::unique_ptr<Learner>> create(const AdPredictorOptions& options);

    explicit AdPredictor(const AdPredictorOptions& options) : options_(options) {}

    [[nodiscard]] std::string_view name() const override { return "adpredictor"; }
    [[nodiscard]] std::uint64_t identity_hash() const override;
    [[nodiscard]] std::uint64_t settings_hash() const override;
    [[nodiscard]] LabelRule label_rule() const override { return LabelRule::kBinary; }
    [[nodiscard]] bool scores_are_probabilities() const override { return true; }
    [[nodiscard]] ServingView::Lanes view_lanes() const override {
        return ServingView::Lanes::kMeanAndVariance;
    }
    [[nodiscard]] bool cells_valid(std::span<const Cell> cells) const override;
    void set_prior(Table& table, double active_features) const override;
    RowCounts train_rows(Table& table, const SparseRows& rows,
                         std::span<float> scores) const override;
    void predict_rows(const ServingView& view, const SparseRows& rows, std::span<float> scores,
                      std::span<float> variances) const override;

  private:
    AdPredictorOptions options_;
};

}  // namespace millrace::ml
