#include "runtime/graph/ordered_input.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/graph/job_text.h"

namespace millrace::graph {
namespace {

using Numbers = std::vector<std::uint32_t>;

// Two sources; a filter behind the first; training reads both, prediction the first.
JobGraph graph_of(const std::string& order, int a, int filter, int train, int b) {
    return *plan(job_from(fmt::format(
        R"text(
            name: "ordered"
            sources {{ name: "a" parallelism: {} generate {{ preset: PRESET_CTR }} }}
            sources {{ name: "b" parallelism: {} generate {{ preset: PRESET_CTR }} }}
            models {{ name: "m" features: "f" }}
            steps {{ name: "kept" from: "a" parallelism: {} filter {{ where: "x" }} }}
            steps {{ name: "scored" from: "kept" parallelism: 5 predict {{ models: "m" }} }}
            steps {{
              name: "learn" from: "kept" from: "b" parallelism: {}
              train {{ models: "m" order: {} }}
            }}
            sinks {{ name: "out" from: "scored" discard {{}} }}
        )text",
        a, b, filter, train, order)));
}

std::uint32_t named(const JobGraph& graph, const std::string& name) {
    for (std::uint32_t i = 0; i < graph.operators.size(); ++i)
        if (graph.operators[i].name == name) return i;
    FAIL(name);
    return 0;
}

Partitioning between(const JobGraph& graph, const std::string& from, const std::string& to) {
    for (const Link& link : graph.links) {
        if (link.from == named(graph, from) && link.to == named(graph, to) && !link.chained)
            return link.partitioning;
    }
    return Partitioning::kForward;
}

TEST_CASE("Links on the way to canonical training keep splits together, the others deal out",
          "[graph]") {
    const JobGraph graph = graph_of("ORDER_CANONICAL", 4, 3, 2, 3);
    REQUIRE(graph.operators[named(graph, "learn")].is_ordered);
    REQUIRE(between(graph, "a", "kept") == Partitioning::kSplit);
    REQUIRE(between(graph, "kept.features", "learn") == Partitioning::kSplit);
    REQUIRE(between(graph, "b.features", "learn") == Partitioning::kSplit);
    REQUIRE(between(graph, "kept.features", "scored") == Partitioning::kRebalance);
    const JobGraph arrival = graph_of("ORDER_ARRIVAL", 4, 3, 2, 3);
    REQUIRE_FALSE(arrival.operators[named(arrival, "learn")].is_ordered);
    REQUIRE(between(arrival, "a", "kept") == Partitioning::kRebalance);
    REQUIRE(between(arrival, "kept.features", "learn") == Partitioning::kRebalance);
}

TEST_CASE("Feeds are numbered over all inputs, and each has one owner", "[graph]") {
    const JobGraph graph = graph_of("ORDER_CANONICAL", 4, 3, 2, 3);
    const std::uint32_t train = named(graph, "learn");
    // Three subtasks of kept.features, then three of b.features, onto two.
    REQUIRE(feed_owners(graph, train) == Numbers{0, 1, 0, 0, 1, 0});
    const std::uint32_t a = named(graph, "a");
    const std::uint32_t b = named(graph, "b");
    REQUIRE(feeds_of(graph, train, a, 0) == Numbers{0});
    REQUIRE(feeds_of(graph, train, a, 2) == Numbers{2});
    REQUIRE(feeds_of(graph, train, a, 3) == Numbers{0});
    REQUIRE(feeds_of(graph, train, b, 1) == Numbers{4});
}

TEST_CASE("A chained train step is fed by its own subtask", "[graph]") {
    const JobGraph graph = *plan(job_from(R"pb(
        name: "chained"
        sources {
          name: "a"
          parallelism: 3
          generate { preset: PRESET_CTR }
        }
        models { name: "m" features: "f" }
        steps {
          name: "learn"
          from: "a"
          parallelism: 3
          train { models: "m" order: ORDER_CANONICAL }
        }
    )pb"));
    REQUIRE(graph.vertices.size() == 1);
    REQUIRE(feed_owners(graph, named(graph, "learn")) == Numbers{0, 1, 2});
    REQUIRE(feeds_of(graph, named(graph, "learn"), named(graph, "a"), 2) == Numbers{2});
}

}  // namespace
}  // namespace millrace::graph
