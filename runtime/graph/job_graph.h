// The operators of a job, fused into vertices, and the edges between them.
//
// plan() is pure: every process that has the job's description derives the same graph from it, so
// that only the description and the placement travel. An operator is one node of the job file, or
// the feature compiler that the plan puts behind a stream whose readers need feature vectors.
// Operators that can hand batches on by reference (same parallelism, a forward edge) are chained
// into one vertex.
//
// Threads:    values.
// Ownership:  a JobGraph owns its strings; it keeps no reference to the job.
// Limits:     kOperatorsMax operators, kParallelismMax subtasks a vertex; kKeyGroups subtasks that
//             get rows by their key.
// Failure:    plan() answers kInvalidArgument for what the validator should have refused.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/status.h"

namespace millrace::proto {
class Job;
}

namespace millrace::graph {

inline constexpr std::size_t kOperatorsMax = 1000;
inline constexpr std::uint32_t kParallelismMax = 4096;

enum class OperatorKind : std::uint8_t { kSource, kFeatures, kStep, kSink };

struct OperatorNode {
    OperatorKind kind = OperatorKind::kStep;
    std::string name;           // The node's name; "<stream>.features" for a feature compiler.
    std::int32_t declared = 0;  // Index in the job's sources, steps or sinks; -1 for kFeatures.
    std::uint32_t parallelism = 1;
    std::uint32_t vertex = 0;
    std::vector<std::string> feature_sets;  // kFeatures only: what it compiles.
    bool is_trainer = false;                // A train step.
    bool is_ordered = false;                // Trains in canonical order (ordered_input.h).
};

// kSplit: all that subtask s of p makes goes to subtask s mod q of q, in order. On the way from
// sources to a step that trains in canonical order.
enum class Partitioning : std::uint8_t { kForward, kRebalance, kKeyHash, kBroadcast, kSplit };

// How batches get from one operator to another one.
struct Link {
    std::uint32_t from = 0;   // Index of the operator.
    std::uint32_t to = 0;     // Index of the operator.
    std::uint32_t side = 0;   // 0 = main output; 1 = evaluate's audit.
    std::uint32_t input = 0;  // Which input of `to`.
    bool errors = false;      // Carries rejected records of `from`'s whole vertex.
    bool chained = false;     // Inside one task; no channel.
    Partitioning partitioning = Partitioning::kForward;
};

// The number of a link that is not chained also numbers its channels (see ChannelId).
using LinkIndex = std::uint32_t;

struct Vertex {
    VertexId id;
    std::string name;  // Operators' names joined by " -> ".
    std::uint32_t parallelism = 1;
    std::vector<std::uint32_t> operators;  // In topological order; the first is the root.
    std::vector<std::string> models;       // Models that its operators share with others.
};

struct JobGraph {
    std::string job_name;
    std::vector<OperatorNode> operators;  // Producers before those who read them.
    std::vector<Link> links;
    std::vector<Vertex> vertices;

    // Slots that the job needs: its largest parallelism.
    [[nodiscard]] std::uint32_t slots_needed() const;
    // How many of them one TaskManager must have, because tasks in them share models.
    [[nodiscard]] std::uint32_t slots_together() const;
    // Links into or out of a vertex that are channels, in the order of `links`.
    [[nodiscard]] std::vector<LinkIndex> inputs_of(std::uint32_t vertex) const;
    [[nodiscard]] std::vector<LinkIndex> outputs_of(std::uint32_t vertex) const;
};

// REQUIRES: the job was validated and its defaults applied.
Result<JobGraph> plan(const proto::Job& job);

// Errors: kInvalidArgument when more subtasks get rows by their key than there are key groups: the
// others would never get any.
Status check_key_groups(const JobGraph& graph);

// One channel: subtask `from` to subtask `to` of link `link`.
struct ChannelId {
    LinkIndex link = 0;
    std::uint16_t from = 0;
    std::uint16_t to = 0;

    [[nodiscard]] std::uint64_t packed() const {
        return (std::uint64_t{link} << 32) | (std::uint64_t{from} << 16) | to;
    }
    auto operator<=>(const ChannelId&) const = default;
};

}  // namespace millrace::graph
