// The schema of every stream of a job, worked out from its sources to its sinks.
//
// Every TaskManager works them out for the whole job, so that both ends of a channel agree without
// sending schemas.
//
// Threads:    pure.
// Failure:    what the operator's spec says, with the node's name in front.

#pragma once

#include <vector>

#include "operators/registry.h"
#include "runtime/base/status.h"
#include "runtime/graph/job_graph.h"

namespace millrace::taskmanager {

struct StreamSchemas {
    // By operator of the graph.
    std::vector<operators::OutputSchemas> outputs;
    std::vector<std::vector<data::SchemaPtr>> inputs;
};

Result<StreamSchemas> resolve_schemas(const proto::Job& job, const graph::JobGraph& graph,
                                      const operators::Registry& registry);

// The request for operator `index`, with its inputs' schemas; borrows all three.
[[nodiscard]] operators::OperatorRequest request_for(const proto::Job& job,
                                                     const graph::JobGraph& graph,
                                                     const StreamSchemas& schemas,
                                                     std::uint32_t index);

}  // namespace millrace::taskmanager
