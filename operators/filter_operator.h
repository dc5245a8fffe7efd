// Keeps the rows for which a condition is true. Rows where it is false or null are dropped.
//
// The simplest operator there is: no state, one batch in, at most one batch out. All operators have
// these four parts:
//   spec()      what the registry knows: the type's name, the fields that come out, how to make one
//   open()      takes the memory that the operator needs for its life
//   process()   turns one batch into another
//   close()     gives the memory back
//
// Threads:    as the operator contract says.
// Ownership:  as the operator contract says.
// Limits:     no more batches or rows come out than go in; one evaluator's scratch memory.
// Failure:    open() and process() return kResourceExhausted when the slot refuses memory; nothing
//             that a record holds is a failure.

#pragma once

#include <array>
#include <cstdint>

#include "operators/expression/evaluator.h"
#include "operators/operator.h"
#include "operators/registry.h"

namespace millrace::operators {

class FilterOperator final : public Step {
  public:
    // REQUIRES: the program gives a bool.
    explicit FilterOperator(ExpressionProgram where);

    static OperatorSpec spec();

    Status open(OperatorContext& context) override;
    // Passes the batch itself on when all of its rows are kept, and nothing when none is.
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                             Output& output) override;
    void close() noexcept override;

  private:
    ExpressionEvaluator where_;
    OperatorContext* context_ = nullptr;                // Set while open.
    std::array<std::uint16_t, data::kRowsMax> kept_{};  // Scratch: the rows of one batch.
};

}  // namespace millrace::operators
