// Plain stochastic gradient descent with schedules and L2.
//
//   w_i -= eta_t (h dl/dm x_i + l2 w_i)
//   constant: eta_t = rate        inverse_scaling: eta_t = rate / t^power, t = 1, 2, ...
//
// L2 shrinks every weight at every row, so it is kept as one factor: w = s v. A row sets
// s *= 1 - eta l2 and gives its gradient, divided by s, to v; when s < 1e-9 it is multiplied out.
// The constant feature is not regularised. All arithmetic is in double: the cell holds v rounded to
// float for readers, a float to spare, and v itself.
//
// Threads, Failure: as Learner says.

#pragma once

#include <memory>

#include "ml/learner.h"
#include "ml/loss.h"
#include "runtime/base/status.h"

namespace millrace::ml {

struct SgdOptions {
    enum class Schedule : std::uint8_t { kConstant, kInverseScaling };

    double rate = 0.02;  // > 0; rate * l2 < 1
    Schedule schedule = Schedule::kConstant;
    double power = 0.5;  // > 0 and < 2; inverse_scaling only. scikit-learn uses 0.25.
    double l2 = 0;       // >= 0
    Loss loss = Loss::kLogistic;
    // > 0: the constant feature is learnt with this constant rate instead. 0: like the others.
    double bias_rate = 0;
};

class Sgd final : public Learner {
  public:
    static Result<std::unique_ptr<Learner>> create(const SgdOptions& options);

    explicit Sgd(const SgdOptions& options) : options_(options) {}

    [[nodiscard]] std::string_view name() const override { return "sgd"; }
    [[nodiscard]] std::uint64_t identity_hash() const override;
    [[nodiscard]] std::uint64_t settings_hash() const override;
    [[nodiscard]] LabelRule label_rule() const override { return label_rule_of(options_.loss); }
    [[nodiscard]] bool scores_are_probabilities() const override {
        return options_.loss == Loss::kLogistic;
    }
    [[nodiscard]] bool cells_valid(std::span<const Cell> cells) const override;
    RowCounts train_rows(Table& table, const SparseRows& rows,
                         std::span<float> scores) const override;
    void predict_rows(const ServingView& view, const SparseRows& rows, std::span<float> scores,
                      std::span<float> variances) const override;

    // A weight as it stands, shrinking included.
    [[nodiscard]] static double weight(const Table& table, std::uint32_t slot);

  private:
    SgdOptions options_;
};

}  // namespace millrace::ml
