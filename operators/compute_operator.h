// Adds fields to each row; each is an expression over the fields of the input.
//
// The new fields come behind those of the input, in the order of the job file, and do not see each
// other. A name that the input has already is refused: whoever reads the job file should find one
// meaning for a name. What the input has, and a new field that is only another name for one of its
// fields, is borrowed from the input batch, not copied.
//
// Threads:    as the operator contract says.
// Ownership:  as the operator contract says.
// Limits:     one batch out for each batch in; one evaluator's scratch memory for each new field
//             that is computed.
// Failure:    open() and process() return kResourceExhausted when the slot refuses memory; nothing
//             that a record holds is a failure.

#pragma once

#include <cstdint>
#include <vector>

#include "operators/expression/evaluator.h"
#include "operators/operator.h"
#include "operators/registry.h"
#include "runtime/data/derived_batch.h"

namespace millrace::operators {

class ComputeOperator final : public Step {
  public:
    // `schema`: the input's fields, then one for each of `added`.
    ComputeOperator(std::vector<ExpressionProgram> added, data::SchemaPtr schema);

    static OperatorSpec spec();

    Status open(OperatorContext& context) override;
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                             Output& output) override;
    void close() noexcept override;

  private:
    std::vector<ExpressionEvaluator> added_;
    const data::SchemaPtr schema_;
    std::vector<ExpressionValues> values_;  // Of one batch; of those in added_ that are computed.
    OperatorContext* context_ = nullptr;    // Set while open.
};

}  // namespace millrace::operators
