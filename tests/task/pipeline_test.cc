#include "tests/task/pipeline.h"

#include <catch2/catch.hpp>

#include "runtime/task/stepper.h"
#include "tests/support/manual_clock.h"

namespace millrace::test {
namespace {

using task::Stepper;

// Steps until every task has left; false when they wait for each other for ever.
bool run_to_end(Stepper& stepper, ManualClock& clock) {
    for (int rounds = 0; rounds < 2'000'000; ++rounds) {
        if (stepper.task_count() == 0) return true;
        if (stepper.step_one()) continue;
        if (stepper.next_due() == TimePoint::max()) return false;
        clock.advance_to(stepper.next_due());
    }
    return false;
}

Way random_way(Random& random, bool may_forward) {
    const auto way = static_cast<Way>(random.below(4));
    return way == Way::kForward && !may_forward ? Way::kRebalance : way;
}

std::size_t random_window(Random& random) {
    constexpr std::size_t kWindows[] = {1, 700, 4000, 1 << 16};
    return kWindows[random.below(4)];
}

// Up to two sources, up to four vertices behind them; each leaf has a sink.
std::vector<PipelineVertex> random_graph(Random& random) {
    std::vector<PipelineVertex> vertices(1 + random.below(2));
    for (PipelineVertex& source : vertices) {
        source.rows = static_cast<std::int64_t>(random.below(400));
    }
    vertices.resize(vertices.size() + random.below(5));
    for (std::size_t v = 0; v < vertices.size(); ++v) {
        PipelineVertex& vertex = vertices[v];
        vertex.parallelism = static_cast<std::uint32_t>(1 + random.below(4));
        vertex.steps = static_cast<std::uint32_t>(random.below(3));
        vertex.has_sink = random.below(4) == 0;
        if (vertex.rows > 0 || v == 0) continue;
        for (std::size_t i = 0; i < 1 + random.below(2); ++i) {
            const std::size_t from = random.below(v);
            vertex.inputs.push_back(
                {.from = from,
                 .way = random_way(random, vertices[from].parallelism == vertex.parallelism),
                 .window_bytes = random_window(random)});
        }
    }
    for (std::size_t v = 0; v < vertices.size(); ++v) {
        bool is_leaf = true;
        for (const PipelineVertex& reader : vertices) {
            for (const PipelineLink& link : reader.inputs) is_leaf = is_leaf && link.from != v;
        }
        vertices[v].has_sink = vertices[v].has_sink || is_leaf;
    }
    return vertices;
}

TEST_CASE("Every row goes through any graph exactly as often as it should", "[task][sim]") {
    const auto seed = GENERATE(range(1, 300));
    CAPTURE(seed);
    Random random(static_cast<std::uint64_t>(seed));
    ManualClock clock;
    Pipeline pipeline(clock, random_graph(random), static_cast<std::uint64_t>(seed),
                      1 + random.below(20));
    Stepper stepper(clock, static_cast<std::uint64_t>(seed));
    for (task::Task* task : pipeline.tasks()) stepper.add(*task);
    REQUIRE(run_to_end(stepper, clock));
    REQUIRE(pipeline.problems() == std::vector<std::string>{});
    for (task::Task* task : pipeline.tasks()) {
        REQUIRE(pipeline.listener().states_of(task->name()) ==
                std::vector<std::string>{"RUNNING", "FINISHED"});
    }
}

}  // namespace
}  // namespace millrace::test
