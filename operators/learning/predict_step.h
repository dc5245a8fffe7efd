// Scores rows with the serving views of models; one output row for each input row.
//
// The output has the kept fields and, for each model, `predictions.<model>.score`, its `.variance`
// where the learner knows one, and `.version`: the number of the view that scored the row. Version
// 0, the prior, is always there, so a prediction never waits.
//
// Threads, Ownership, Failure: as the operator contract says. The models outlive the step.
// Limits:     one batch out for each batch in.

#pragma once

#include <vector>

#include "operators/learning/shared_model.h"
#include "operators/operator.h"
#include "operators/registry.h"
#include "runtime/data/derived_batch.h"

namespace millrace::operators {

class PredictStep final : public Step {
  public:
    struct Target {
        const SharedModel* model = nullptr;
        std::size_t features_column = 0;
        bool has_variance = false;
    };

    // `kept`: columns of the input that come first in `schema`.
    PredictStep(std::vector<Target> targets, std::vector<std::size_t> kept, data::SchemaPtr schema);

    static OperatorSpec spec();

    Status open(OperatorContext& context) override;
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                             Output& output) override;
    void close() noexcept override;

  private:
    // Scores the batch with one model and sets its columns from `column` on; returns the next
    // column.
    Result<std::size_t> score(const Target& target, const data::Batch& batch, std::size_t column,
                              data::DerivedBatch& derived);

    const std::vector<Target> targets_;
    const std::vector<std::size_t> kept_;
    const data::SchemaPtr schema_;
    OperatorContext* context_ = nullptr;
    memory::Segment scaled_values_;  // Scratch for feature sets that standardize columns.
    metrics::Counter* predictions_ = nullptr;
};

}  // namespace millrace::operators
