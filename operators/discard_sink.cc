#include "operators/discard_sink.h"

#include <memory>

namespace millrace::operators {

OperatorSpec DiscardSink::spec() {
    return {
        .role = Role::kSink,
        .type = "discard",
        .doc = "Drops records and counts them.",
        .schemas = [](const OperatorRequest&) -> Result<OutputSchemas> { return OutputSchemas{}; },
        .make = [](const OperatorRequest&, JobResources&) -> Result<std::unique_ptr<Operator>> {
            return std::make_unique<DiscardSink>();
        }};
}

Status DiscardSink::open(OperatorContext& context) {
    rows_ = &context.metrics.counter("millrace_discarded_rows_total",
                                     "Rows that a discard sink has taken.");
    return {};
}

Result<Progress> DiscardSink::process(const data::BatchPtr& batch, std::uint32_t, Output&) {
    rows_->add(batch->rows());
    return Progress::kDone;
}

}  // namespace millrace::operators
