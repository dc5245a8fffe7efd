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

std::vector<proto::AddSplits> cut_to_fit(const proto::AddSplits& all, std::size_t bytes_max) {
    // What a field of a message takes beside its content: a tag and a length.
    constexpr std::size_t kFieldBytes = 1 + 5;
    proto::AddSplits head;
    head.set_job_id(all.job_id());
    head.set_attempt(all.attempt());
    std::vector<proto::AddSplits> messages;
    std::size_t bytes = 0;  // Of the last message.
    for (const proto::SourceSplits& part : all.splits()) {
        proto::SourceSplits part_head;
        part_head.set_vertex(part.vertex());
        part_head.set_subtask(part.subtask());
        const std::size_t part_bytes = part_head.ByteSizeLong() + kFieldBytes;
        proto::SourceSplits* into = nullptr;
        for (const proto::SplitAssignment& split : part.splits()) {
            const std::size_t split_bytes = split.ByteSizeLong() + kFieldBytes;
            const std::size_t more = split_bytes + (into == nullptr ? part_bytes : 0);
            if (messages.empty() || bytes + more > bytes_max) {
                messages.push_back(head);
                bytes = head.ByteSizeLong();
                into = nullptr;
            }
            if (into == nullptr) {
                into = messages.back().add_splits();
                *into = part_head;
                bytes += part_bytes;
            }
            *into->add_splits() = split;
            bytes += split_bytes;
        }
    }
    return messages;
}

}  // namespace millrace::jobmanager
