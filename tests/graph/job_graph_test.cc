#include "runtime/graph/job_graph.h"

#include <map>
#include <set>

#include <catch2/catch.hpp>

#include "tests/graph/job_text.h"

namespace millrace::graph {
namespace {

std::map<std::string, const Vertex*> by_name(const JobGraph& graph) {
    std::map<std::string, const Vertex*> found;
    for (const Vertex& vertex : graph.vertices) found[vertex.name] = &vertex;
    return found;
}

TEST_CASE("Plan fuses the CTR job into source, predict, train, evaluate and dead letters",
          "[graph]") {
    const JobGraph graph = *plan(ctr_job());
    const auto vertices = by_name(graph);
    REQUIRE(graph.vertices.size() == 5);
    REQUIRE(vertices.at("impressions -> impressions.features")->parallelism == 4);
    REQUIRE(vertices.at("scored -> predictions")->parallelism == 16);
    REQUIRE(vertices.at("learn")->parallelism == 8);
    REQUIRE(vertices.at("quality -> metrics")->parallelism == 1);
    REQUIRE(vertices.at("bad")->parallelism == 1);
    REQUIRE(graph.slots_needed() == 16);
}

TEST_CASE("Plan compiles the features of a stream once for all its readers", "[graph]") {
    const JobGraph graph = *plan(ctr_job());
    std::size_t compilers = 0;
    for (const OperatorNode& node : graph.operators) {
        if (node.kind != OperatorKind::kFeatures) continue;
        ++compilers;
        REQUIRE(node.feature_sets == std::vector<std::string>{"f"});
    }
    REQUIRE(compilers == 1);
}

TEST_CASE("Plan feeds evaluate from the model and not over a channel", "[graph]") {
    const JobGraph graph = *plan(ctr_job());
    for (std::uint32_t v = 0; v < graph.vertices.size(); ++v) {
        if (graph.vertices[v].name == "quality -> metrics") REQUIRE(graph.inputs_of(v).empty());
    }
}

TEST_CASE("Plan links every vertex but the sink itself to the dead letters", "[graph]") {
    const JobGraph graph = *plan(ctr_job());
    std::set<std::uint32_t> from;
    std::set<std::uint32_t> inputs;
    for (const Link& link : graph.links) {
        if (!link.errors) continue;
        from.insert(graph.operators[link.from].vertex);
        inputs.insert(link.input);
    }
    REQUIRE(from.size() == 4);
    REQUIRE(inputs == std::set<std::uint32_t>{0, 1, 2, 3});
}

TEST_CASE("Plan runs a job of parallelism 1 in one task", "[graph]") {
    const JobGraph graph = *plan(job_from(R"pb(
        name: "small"
        sources {
          name: "rows"
          parallelism: 1
          generate { preset: PRESET_CTR }
        }
        models { name: "m" features: "f" }
        steps {
          name: "scored"
          from: "rows"
          parallelism: 1
          predict { models: "m" }
        }
        steps {
          name: "learn"
          from: "rows"
          parallelism: 1
          train { models: "m" }
        }
        sinks {
          name: "out"
          from: "scored"
          print {}
        }
    )pb"));
    REQUIRE(graph.vertices.size() == 1);
    REQUIRE(graph.vertices[0].operators.size() == 5);
    for (const Link& link : graph.links) REQUIRE(link.chained);
}

TEST_CASE("Plan gives a union a vertex with one input for each stream", "[graph]") {
    const JobGraph graph = *plan(job_from(R"pb(
        name: "union"
        sources {
          name: "a"
          parallelism: 2
          file { path: "a" }
        }
        sources {
          name: "b"
          parallelism: 2
          file { path: "b" }
        }
        steps {
          name: "kept"
          from: "a"
          from: "b"
          parallelism: 2
          filter { where: "x > 0" }
        }
        sinks {
          name: "out"
          from: "kept"
          discard {}
        }
    )pb"));
    REQUIRE(graph.vertices.size() == 3);
    REQUIRE(graph.inputs_of(2).size() == 2);
    REQUIRE(graph.links[graph.inputs_of(2)[1]].input == 1);
}

TEST_CASE("Plan lists every operator behind those that it reads", "[graph]") {
    proto::Job job = ctr_job();
    job.add_sources()->set_name("other");
    job.mutable_sources(1)->set_parallelism(2);
    auto* step = job.add_steps();
    step->set_name("scored_too");
    step->add_from("other");
    step->set_parallelism(2);
    step->mutable_predict()->add_models("ctr");
    const JobGraph graph = *plan(job);
    for (const Link& link : graph.links) {
        if (!link.errors) REQUIRE(link.from < link.to);
    }
    REQUIRE(by_name(graph).at("other -> other.features -> scored_too")->parallelism == 2);
}

TEST_CASE("Plan refuses steps that read each other", "[graph]") {
    const auto graph = plan(job_from(R"pb(
        name: "circle"
        steps {
          name: "a"
          from: "b"
          parallelism: 1
          filter {}
        }
        steps {
          name: "b"
          from: "a"
          parallelism: 1
          filter {}
        }
    )pb"));
    REQUIRE(graph.error().code == Code::kInvalidArgument);
}

TEST_CASE("Plan gives vertices the same ids every time and different ones to different jobs",
          "[graph]") {
    proto::Job other = ctr_job();
    other.set_name("ctr2");
    const JobGraph one = *plan(ctr_job());
    const JobGraph two = *plan(ctr_job());
    const JobGraph third = *plan(other);
    for (std::size_t i = 0; i < one.vertices.size(); ++i) {
        REQUIRE(one.vertices[i].id == two.vertices[i].id);
        REQUIRE(one.vertices[i].id != third.vertices[i].id);
    }
}

TEST_CASE("As many subtasks as there are key groups may get rows by their key, and no more",
          "[graph]") {
    const auto keyed = [](std::uint32_t parallelism, Partitioning partitioning) {
        JobGraph graph;
        graph.operators = {{.name = "clicks", .parallelism = 4},
                           {.name = "joined", .parallelism = parallelism, .vertex = 1}};
        graph.links = {{.from = 0, .to = 1, .partitioning = partitioning}};
        return check_key_groups(graph);
    };
    REQUIRE(keyed(128, Partitioning::kKeyHash));
    REQUIRE(keyed(129, Partitioning::kRebalance));
    const Status refused = keyed(129, Partitioning::kKeyHash);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::kInvalidArgument);
    CHECK_THAT(refused.error().message,
               Catch::Contains("step joined") &&
                   Catch::Contains("keys have 128 groups: 1 of its 129 subtasks would get none") &&
                   Catch::Contains("Hint: lower its `parallelism` to 128"));
}

TEST_CASE("ChannelId packs link and both subtasks apart", "[graph]") {
    const ChannelId id{.link = 7, .from = 3, .to = 15};
    REQUIRE(id.packed() == 0x000000070003000FULL);
}

}  // namespace
}  // namespace millrace::graph
