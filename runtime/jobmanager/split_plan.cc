#include "runtime/jobmanager/split_plan.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace millrace::jobmanager {

Result<std::vector<proto::SplitAssignment>> SplitPlan::add(
    std::int32_t source, std::vector<proto::SplitAssignment> found) {
    Known& known = by_source_[source];
    std::vector<proto::SplitAssignment> added;
    std::unordered_set<std::string> new_names;
    for (proto::SplitAssignment& split : found) {
        if (!known.names.contains(split.name()) && new_names.insert(split.name()).second)
            added.push_back(std::move(split));
    }
    if (static_cast<std::size_t>(next_index_) + added.size() > kSplitsMax) {
        return fail(Code::kResourceExhausted,
                    "a job reads at most {} partitions and files; {} more were found beside {}",
                    kSplitsMax, added.size(), next_index_);
    }
    for (proto::SplitAssignment& split : added) {
        split.set_index(next_index_++);
        known.splits.push_back(split);
    }
    known.names.merge(new_names);
    return added;
}

const std::vector<proto::SplitAssignment>& SplitPlan::splits_of(std::int32_t source) const {
    static const std::vector<proto::SplitAssignment> none;
    const auto found = by_source_.find(source);
    return found == by_source_.end() ? none : found->second.splits;
}

std::vector<proto::SourceSplits> SplitPlan::assign(const graph::JobGraph& graph,
                                                   std::uint32_t vertex) const {
    const graph::OperatorNode& root = graph.operators[graph.vertices[vertex].operators.front()];
    return assign(graph, vertex, splits_of(root.declared));
}

std::vector<proto::SourceSplits> SplitPlan::assign(
    const graph::JobGraph& graph, std::uint32_t vertex,
    const std::vector<proto::SplitAssignment>& part) const {
    const graph::OperatorNode& root = graph.operators[graph.vertices[vertex].operators.front()];
    MILLRACE_CHECK(root.kind == graph::OperatorKind::kSource);
    const std::uint32_t parallelism = graph.vertices[vertex].parallelism;
    std::vector<proto::SourceSplits> all(parallelism);
    for (std::uint32_t subtask = 0; subtask < parallelism; ++subtask) {
        all[subtask].set_vertex(vertex);
        all[subtask].set_subtask(subtask);
    }
    const auto& known = splits_of(root.declared);
    for (const proto::SplitAssignment& split : part) {
        const auto place =
            std::ranges::lower_bound(known, split.index(), {}, &proto::SplitAssignment::index);
        const auto number = static_cast<std::uint32_t>(place - known.begin());
        *all[number % parallelism].add_splits() = split;
    }
    return all;
}

}  // namespace millrace::jobmanager
