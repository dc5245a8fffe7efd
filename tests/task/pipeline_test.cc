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

// Steps to the end; on the way triggers checkpoints, and aborts some of them.
bool run_with_checkpoints(Pipeline& pipeline, Stepper& stepper, ManualClock& clock,
                          Random& random) {
    std::uint64_t checkpoint = 0;
    for (int rounds = 0; rounds < 2'000'000; ++rounds) {
        if (stepper.task_count() == 0) return true;
        if (random.below(60) == 0) pipeline.trigger(++checkpoint);
        if (random.below(200) == 0 && checkpoint > 0) {
            for (task::Task* task : pipeline.tasks()) REQUIRE(task->abort(checkpoint).has_value());
        }
        if (stepper.step_one()) continue;
        if (stepper.next_due() == TimePoint::max()) return false;
        clock.advance_to(stepper.next_due());
    }
    return false;
}

TEST_CASE("A barrier cuts every stream of any graph at the same rows", "[task][sim]") {
    const auto seed = GENERATE(range(1, 300));
    CAPTURE(seed);
    Random random(static_cast<std::uint64_t>(seed));
    ManualClock clock;
    Pipeline pipeline(clock, random_graph(random), static_cast<std::uint64_t>(seed),
                      1 + random.below(20));
    Stepper stepper(clock, static_cast<std::uint64_t>(seed));
    for (task::Task* task : pipeline.tasks()) stepper.add(*task);
    REQUIRE(run_with_checkpoints(pipeline, stepper, clock, random));
    REQUIRE(pipeline.problems() == std::vector<std::string>{});
}

TEST_CASE("Checkpoints without aborts complete at every task of a running job", "[task][sim]") {
    ManualClock clock;
    const std::vector<PipelineVertex> vertices{
        {.parallelism = 2, .rows = 100'000},
        {.parallelism = 3,
         .steps = 1,
         .has_sink = true,
         .inputs = {{.from = 0, .way = Way::kKeyHash, .window_bytes = 4000}}}};
    Pipeline pipeline(clock, vertices, 1, 5);
    Stepper stepper(clock, 1);
    for (task::Task* task : pipeline.tasks()) stepper.add(*task);
    for (std::uint64_t checkpoint = 1; checkpoint <= 10; ++checkpoint) {
        pipeline.trigger(checkpoint);
        for (int i = 0; i < 100'000 && pipeline.listener().reports(checkpoint) < 5; ++i) {
            if (!stepper.step_one()) clock.advance_to(stepper.next_due());
        }
        REQUIRE(pipeline.listener().reports(checkpoint) == 5);
        REQUIRE(pipeline.listener().failed_reports(checkpoint) == 0);
    }
    for (task::Task* task : pipeline.tasks()) task->cancel();
    REQUIRE(run_to_end(stepper, clock));
    REQUIRE(pipeline.book().broken().empty());
    REQUIRE(pipeline.book().cuts().size() == 10);
}

TEST_CASE("Rows of a split keep their order on forward and key hash edges", "[task][sim]") {
    const auto seed = GENERATE(range(1, 100));
    CAPTURE(seed);
    Random random(static_cast<std::uint64_t>(seed));
    ManualClock clock;
    const auto parallelism = static_cast<std::uint32_t>(1 + random.below(3));
    const std::vector<PipelineVertex> vertices{
        {.parallelism = parallelism, .rows = 600},
        {.parallelism = parallelism,
         .steps = 1,
         .inputs = {{.from = 0, .way = Way::kForward, .window_bytes = random_window(random)}}},
        {.parallelism = static_cast<std::uint32_t>(1 + random.below(5)),
         .has_sink = true,
         .is_ordered = true,
         .inputs = {{.from = 1, .way = Way::kKeyHash, .window_bytes = random_window(random)}}}};
    Pipeline pipeline(clock, vertices, static_cast<std::uint64_t>(seed), 1 + random.below(20));
    Stepper stepper(clock, static_cast<std::uint64_t>(seed));
    for (task::Task* task : pipeline.tasks()) stepper.add(*task);
    REQUIRE(run_to_end(stepper, clock));
    REQUIRE(pipeline.problems() == std::vector<std::string>{});
}

TEST_CASE("The same seed runs the same way", "[task][sim]") {
    const auto run = [](std::uint64_t seed) {
        Random random(7);
        ManualClock clock;
        Pipeline pipeline(clock, random_graph(random), 7, 4);
        Stepper stepper(clock, seed);
        for (task::Task* task : pipeline.tasks()) stepper.add(*task);
        std::uint64_t steps = 0;
        while (stepper.task_count() > 0) {
            if (stepper.step_one()) {
                ++steps;
            } else {
                clock.advance_to(stepper.next_due());
            }
        }
        return std::pair(steps, clock.now());
    };
    REQUIRE(run(1) == run(1));
    REQUIRE(run(1) != run(2));
}

}  // namespace
}  // namespace millrace::test
