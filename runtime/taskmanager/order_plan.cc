#include "runtime/taskmanager/order_plan.h"

#include <algorithm>

#include "runtime/base/check.h"
#include "runtime/graph/ordered_input.h"

namespace millrace::taskmanager {
namespace {

std::uint32_t trainer_of(const proto::Job& job, const graph::JobGraph& graph,
                         std::string_view model) {
    for (std::uint32_t i = 0; i < graph.operators.size(); ++i) {
        if (!graph.operators[i].is_ordered) continue;
        const auto& models = job.steps(graph.operators[i].declared).train().models();
        if (std::find(models.begin(), models.end(), model) != models.end()) return i;
    }
    MILLRACE_CHECK(!"no step trains this model in canonical order");
    return 0;
}

}  // namespace

std::vector<std::uint32_t> feed_owners(const proto::Job& job, const graph::JobGraph& graph,
                                       std::string_view model) {
    return graph::feed_owners(graph, trainer_of(job, graph, model));
}

std::vector<operators::OrderPlan::Split> ordered_splits(const proto::Job& job,
                                                        const graph::JobGraph& graph,
                                                        std::string_view model,
                                                        const AssignedSplits& assigned) {
    const std::uint32_t train = trainer_of(job, graph, model);
    std::vector<operators::OrderPlan::Split> splits;
    for (const proto::SourceSplits& part : assigned) {
        const std::uint32_t source = graph.vertices[part.vertex()].operators.front();
        const auto feeds = graph::feeds_of(graph, train, source, part.subtask());
        if (feeds.empty()) continue;
        const proto::EventTime& time = job.sources(graph.operators[source].declared).event_time();
        for (const proto::SplitAssignment& split : part.splits()) {
            splits.push_back({.split = static_cast<std::uint32_t>(split.index()), .feeds = feeds});
            if (time.has_idle_after_ms())
                splits.back().idle_after = std::chrono::milliseconds(time.idle_after_ms());
        }
    }
    return splits;
}

}  // namespace millrace::taskmanager
