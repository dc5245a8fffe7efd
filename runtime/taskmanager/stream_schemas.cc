#include "runtime/taskmanager/stream_schemas.h"

#include "operators/error_stream.h"
#include "proto/job.pb.h"
#include "runtime/base/check.h"

namespace millrace::taskmanager {
namespace {

operators::Role role_of(graph::OperatorKind kind) {
    switch (kind) {
        case graph::OperatorKind::kSource:
            return operators::Role::kSource;
        case graph::OperatorKind::kFeatures:
            return operators::Role::kFeatures;
        case graph::OperatorKind::kStep:
            return operators::Role::kStep;
        case graph::OperatorKind::kSink:
            return operators::Role::kSink;
    }
    return operators::Role::kStep;
}

// `evaluate` has no channel, but its audit copies a field of the stream that it is declared on.
data::SchemaPtr declared_input(const proto::Job& job, const graph::JobGraph& graph,
                               const StreamSchemas& schemas, const graph::OperatorNode& node) {
    const std::string& from = job.steps(node.declared).from(0);
    for (std::uint32_t i = 0; i < graph.operators.size(); ++i) {
        if (graph.operators[i].name == from) return schemas.outputs[i].main;
    }
    return nullptr;
}

Result<std::vector<data::SchemaPtr>> inputs_of(const proto::Job& job, const graph::JobGraph& graph,
                                               const StreamSchemas& schemas, std::uint32_t index) {
    std::vector<data::SchemaPtr> inputs;
    for (const graph::Link& link : graph.links) {
        if (link.to != index) continue;
        const operators::OutputSchemas& output = schemas.outputs[link.from];
        if (inputs.size() <= link.input) inputs.resize(link.input + 1);
        inputs[link.input] = link.errors      ? operators::errors_schema()
                             : link.side == 0 ? output.main
                                              : output.side;
    }
    const graph::OperatorNode& node = graph.operators[index];
    const bool is_evaluate =
        node.kind == graph::OperatorKind::kStep && job.steps(node.declared).has_evaluate();
    if (is_evaluate) inputs.push_back(declared_input(job, graph, schemas, node));
    for (const data::SchemaPtr& input : inputs) {
        if (input == nullptr)
            return fail(Code::kInvalidArgument, "{} reads a stream that has no records", node.name);
        if (!(*input == *inputs.front())) {
            return fail(Code::kInvalidArgument,
                        "{} joins streams of different fields: {} against {}", node.name,
                        inputs.front()->to_string(), input->to_string());
        }
    }
    return inputs;
}

}  // namespace

operators::OperatorRequest request_for(const proto::Job& job, const graph::JobGraph& graph,
                                       const StreamSchemas& schemas, std::uint32_t index) {
    const graph::OperatorNode& node = graph.operators[index];
    return {.job = job,
            .role = role_of(node.kind),
            .declared = node.declared,
            .feature_sets = node.feature_sets,
            .inputs = schemas.inputs[index]};
}

Result<StreamSchemas> resolve_schemas(const proto::Job& job, const graph::JobGraph& graph,
                                      const operators::Registry& registry) {
    StreamSchemas schemas;
    schemas.outputs.resize(graph.operators.size());
    schemas.inputs.resize(graph.operators.size());
    // The plan lists operators in an order in which producers come first.
    for (std::uint32_t i = 0; i < graph.operators.size(); ++i) {
        MILLRACE_TRY_ASSIGN(schemas.inputs[i], inputs_of(job, graph, schemas, i));
        const operators::OperatorRequest request = request_for(job, graph, schemas, i);
        MILLRACE_TRY_ASSIGN(const operators::OperatorSpec* spec, registry.find(request));
        auto output = spec->schemas(request);
        if (!output)
            return std::unexpected(std::move(output).error().with_context(graph.operators[i].name));
        schemas.outputs[i] = std::move(*output);
    }
    return schemas;
}

}  // namespace millrace::taskmanager
