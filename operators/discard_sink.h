// Takes records and drops them; the task's own metrics count them.
//
// Threads, Ownership, Limits, Failure: as the operator contract says.

#pragma once

#include "operators/operator.h"
#include "operators/registry.h"

namespace millrace::operators {

class DiscardSink final : public Step {
  public:
    static OperatorSpec spec();

    Status open(OperatorContext&) override { return {}; }
    Result<Progress> process(const data::BatchPtr&, std::uint32_t, Output&) override {
        return Progress::kDone;
    }
};

}  // namespace millrace::operators
