#include "runtime/taskmanager/stream_schemas.h"

#include <catch2/catch.hpp>

#include "runtime/data/batch.h"
#include "runtime/taskmanager/deployment_need.h"
#include "tests/graph/job_text.h"

namespace millrace::taskmanager {
namespace {

using Catch::Contains;

proto::Job learning_job() {
    return graph::job_from(R"pb(
        name: "clicks"
        sources {
          name: "rows"
          parallelism: 1
          generate { preset: PRESET_CTR }
        }
        features {
          name: "f"
          bits: 18
          seed: 1
          columns { name: "f3" as: COLUMN_KIND_HASHED }
        }
        models {
          name: "m"
          task: TASK_BINARY
          features: "f"
          learner { ftrl { alpha: 0.1 beta: 1 l1: 0 l2: 0 } }
        }
        steps {
          name: "learn"
          from: "rows"
          parallelism: 1
          train { models: "m" label: "label" }
        }
        steps {
          name: "scored"
          from: "rows"
          parallelism: 3
          predict { models: "m" keep: "impression_id" }
        }
        sinks {
          name: "out"
          from: "scored"
          discard {}
        }
        sinks {
          name: "bad"
          from: "errors"
          discard {}
        })pb");
}

std::vector<std::string> names_of(const data::SchemaPtr& schema) {
    std::vector<std::string> names;
    if (schema != nullptr) {
        for (const data::Field& field : schema->fields()) names.push_back(field.name);
    }
    return names;
}

std::uint32_t index_of(const graph::JobGraph& graph, const std::string& name) {
    for (std::uint32_t i = 0; i < graph.operators.size(); ++i) {
        if (graph.operators[i].name == name) return i;
    }
    FAIL("no operator " + name);
    return 0;
}

TEST_CASE("resolve_schemas follows the fields from the sources to the sinks", "[taskmanager]") {
    const proto::Job job = learning_job();
    const auto graph = graph::plan(job);
    REQUIRE(graph);
    const auto schemas = resolve_schemas(job, *graph, operators::builtin_operators());
    if (!schemas) FAIL(schemas.error().message);

    auto columns = names_of(schemas->outputs[index_of(*graph, "rows")].main);
    REQUIRE(columns.size() == 23);
    CHECK(columns.front() == "impression_id");
    CHECK(columns.back() == "label");
    columns.emplace_back("features:f");
    CHECK(names_of(schemas->outputs[index_of(*graph, "rows.features")].main) == columns);
    CHECK(
        names_of(schemas->inputs[index_of(*graph, "out")][0]) ==
        std::vector<std::string>{"impression_id", "predictions.m.score", "predictions.m.version"});
    CHECK(names_of(schemas->inputs[index_of(*graph, "bad")][0]) ==
          std::vector<std::string>{"step", "code", "message", "field", "split", "key", "payload",
                                   "header_names", "header_values", "header_nulls"});
}

TEST_CASE("resolve_schemas names the node whose fields do not fit", "[taskmanager]") {
    proto::Job job = learning_job();
    job.mutable_steps(1)->mutable_predict()->set_keep(0, "impresion_id");
    const auto graph = graph::plan(job);
    REQUIRE(graph);
    const auto refused = resolve_schemas(job, *graph, operators::builtin_operators());
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Contains("scored") && Contains("impresion_id"));
}

TEST_CASE("A task's working set is a batch for each operator, and its outputs' windows",
          "[taskmanager]") {
    constexpr std::size_t kBatch = std::size_t{384} << 10;  // 256 KiB and half of it.
    constexpr std::size_t kWindow = std::size_t{1} << 20;
    graph::JobGraph graph;
    graph.operators = {{.name = "a", .parallelism = 2, .vertex = 0},
                       {.name = "b", .parallelism = 2, .vertex = 0},
                       {.name = "c", .parallelism = 3, .vertex = 1}};
    graph.vertices = {
        {.id = {}, .name = "a -> b", .parallelism = 2, .operators = {0, 1}, .models = {}},
        {.id = {}, .name = "c", .parallelism = 3, .operators = {2}, .models = {}}};
    graph.links = {{.from = 0, .to = 1, .chained = true},
                   {.from = 1, .to = 2, .partitioning = graph::Partitioning::kRebalance}};
    // Two operators; a window to each of three subtasks, and the batch that may exceed one.
    REQUIRE(batch_bytes(graph, 0, kWindow) == 2 * kBatch + 3 * kWindow + kBatch);
    REQUIRE(batch_bytes(graph, 1, kWindow) == kBatch);
}

}  // namespace
}  // namespace millrace::taskmanager
