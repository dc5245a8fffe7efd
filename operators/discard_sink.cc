#include "operators/discard_sink.h"

#include <memory>

namespace millrace::operators {

OperatorSpec DiscardSink::spec() {
    return {
        .role = Role::kSink,
        .type = "discard",
        .doc = "Drops records.",
        .schemas = [](const OperatorRequest&) -> Result<OutputSchemas> { return OutputSchemas{}; },
        .make = [](const OperatorRequest&, JobResources&) -> Result<std::unique_ptr<Operator>> {
            return std::make_unique<DiscardSink>();
        }};
}

}  // namespace millrace::operators
