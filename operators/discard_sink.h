// Takes rows, counts them, and forgets them.
//
// Threads:    the task's.
// Ownership:  keeps nothing.
// Limits:     none.
// Failure:    none.

#pragma once

#include <cstdint>

#include "operators/operator.h"
#include "operators/registry.h"

namespace millrace::operators {

class DiscardSink final : public Step {
  public:
    static OperatorSpec spec();

    Status open(OperatorContext& context) override;
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                             Output& output) override;
    Status on_watermark(data::Watermark, Output&) override { return {}; }

  private:
    metrics::Counter* rows_ = nullptr;
};

}  // namespace millrace::operators
