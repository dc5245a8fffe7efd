#include "runtime/graph/ordered_input.h"

#include <set>
#include <utility>

#include "runtime/base/check.h"

namespace millrace::graph {
namespace {

std::uint32_t subtask_behind(const JobGraph& graph, const Link& link, std::uint32_t subtask) {
    return subtask % graph.operators[link.to].parallelism;
}

}  // namespace

std::uint32_t first_feed(const JobGraph& graph, LinkIndex link) {
    const Link& self = graph.links[link];
    std::uint32_t feeds = 0;
    for (const Link& other : graph.links) {
        if (other.to == self.to && !other.errors && other.input < self.input)
            feeds += graph.operators[other.from].parallelism;
    }
    return feeds;
}

std::vector<std::uint32_t> feed_owners(const JobGraph& graph, std::uint32_t train) {
    std::vector<std::uint32_t> owners;
    for (LinkIndex i = 0; i < graph.links.size(); ++i) {
        const Link& link = graph.links[i];
        if (link.to != train) continue;
        MILLRACE_CHECK_EQ(first_feed(graph, i), owners.size());
        for (std::uint32_t s = 0; s < graph.operators[link.from].parallelism; ++s)
            owners.push_back(subtask_behind(graph, link, s));
    }
    return owners;
}

std::vector<std::uint32_t> feeds_of(const JobGraph& graph, std::uint32_t train,
                                    std::uint32_t source, std::uint32_t subtask) {
    std::set<std::uint32_t> feeds;
    // Operators that the split reaches, and in which subtask; links go from lower to higher.
    std::set<std::pair<std::uint32_t, std::uint32_t>> reached{{source, subtask}};
    for (LinkIndex i = 0; i < graph.links.size(); ++i) {
        const Link& link = graph.links[i];
        if (link.errors) continue;
        for (const auto& [from, s] : std::set(reached)) {
            if (link.from != from) continue;
            if (link.to == train) feeds.insert(first_feed(graph, i) + s);
            reached.emplace(link.to, subtask_behind(graph, link, s));
        }
    }
    return {feeds.begin(), feeds.end()};
}

}  // namespace millrace::graph
