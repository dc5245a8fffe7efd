#include <catch2/catch.hpp>

#include "runtime/task/key_hash_edge.h"
#include "tests/support/heap_count.h"
#include "tests/task/task_world.h"

namespace millrace::test {
namespace {

using operators::Output;
using operators::Progress;
using task::LocalChannel;

// A source, a step and an edge in one task.
struct SteadyWorld : TaskWorld {
    explicit SteadyWorld(bool is_keyed) {
        make();
        source = &add_source();
        ScriptedStep& step = add_step("step", {.parent = 0});
        step.processing = [](const data::BatchPtr& batch, Output& out) -> Result<Progress> {
            out.emit(batch);
            return Progress::kDone;
        };
        for (int i = 0; i < 3; ++i) {
            outputs.emplace_back(std::size_t{1} << 20).attach_consumer(neighbour);
        }
        std::vector<task::OutputChannel*> channels;
        for (LocalChannel& channel : outputs) channels.push_back(&channel);
        task->chain().add_edge(
            1, 0,
            is_keyed ? task::make_key_hash_edge(channels, seat->batches, {.key_columns = {0}})
                     : task::make_rebalance_edge(channels));
        diary.reserve(1'000'000);
    }
    ScriptedSource* source = nullptr;
};

TEST_CASE("A batch on its way through a task costs no heap allocation", "[task][steady_state]") {
    const bool is_keyed = GENERATE(false, true);
    CAPTURE(is_keyed);
    SteadyWorld steady(is_keyed);
    const data::BatchPtr batch = steady.rows(0, 1000);
    std::uint64_t emitted = 0;
    steady.source->polling = [&](Output& out) -> Result<Progress> {
        out.emit(batch);
        ++emitted;
        return Progress::kYield;
    };
    steady.diary.clear();
    (void)steady.task->step(steady.clock.now());
    const auto run = [&](int steps) {
        for (int i = 0; i < steps; ++i) {
            steady.diary.clear();
            (void)steady.task->step(steady.clock.now());
            for (LocalChannel& channel : steady.outputs) {
                while (channel.poll()) {
                }
            }
        }
    };
    run(20);
    // The diary's strings are the test's own; each call writes one short one, without the heap.
    const std::uint64_t before = heap_allocations();
    const std::uint64_t emitted_before = emitted;
    run(50);
    REQUIRE(emitted - emitted_before > 500);
    REQUIRE(heap_allocations() - before == 0);
    steady.task->cancel();
    (void)steady.task->step(steady.clock.now());
    steady.task->left();
}

TEST_CASE("A blocked sink stops its senders at their windows, and nobody else",
          "[task][steady_state]") {
    SlotWorld world;
    ManualClock clock;
    constexpr std::size_t kWindow = 50'000;
    metrics::Registry registry;
    Listener listener;
    LenientPolicy policy;
    const task::Task::Environment environment{clock, registry, listener, policy};
    // Two lines side by side; the sink of the first one blocks for ever.
    struct Line {
        Line(SlotWorld& world, metrics::Registry& registry, const task::Task::Environment& env)
            : seats{{world, registry}, {world, registry}},
              source({.name = "source", .labels = {}, .calls_max = 20}, env, nullptr),
              sink({.name = "sink", .labels = {}, .calls_max = 20}, env, nullptr) {}
        Diary diary;
        LocalChannel channel{kWindow};
        TaskSeat seats[2];
        task::Task source;
        task::Task sink;
        std::uint64_t consumed = 0;
    };
    Line lines[2]{{world, registry, environment}, {world, registry, environment}};
    task::Stepper stepper(clock, 1);
    for (std::size_t i = 0; i < 2; ++i) {
        Line& line = lines[i];
        auto source = std::make_unique<ScriptedSource>(line.diary);
        source->polling = [&](Output& out) -> Result<Progress> {
            out.emit(make_rows(line.seats[0].batches, 0, 0, 100));
            return Progress::kYield;
        };
        line.source.chain().add_source(
            std::move(source), toy_context("source", clock, line.source, line.seats[0], world));
        line.source.chain().add_edge(0, 0, task::make_forward_edge(line.channel));
        auto sink = std::make_unique<ScriptedStep>(line.diary, "sink");
        sink->processing = [&line, i](const data::BatchPtr& batch, Output&) -> Result<Progress> {
            if (i == 0) return Progress::kBlocked;
            line.consumed += batch->rows();
            return Progress::kDone;
        };
        const std::vector<std::vector<task::InputChannel*>> inputs{{&line.channel}};
        line.sink.chain().add_root(std::move(sink),
                                   toy_context("sink", clock, line.sink, line.seats[1], world),
                                   std::make_unique<task::InputGate>(inputs));
        for (task::Task* task : {&line.source, &line.sink}) {
            listener.running.enter();
            stepper.add(*task);
        }
    }
    const std::size_t batch_bytes = make_rows(lines[0].seats[0].batches, 0, 0, 100)->bytes();
    std::size_t most = 0;
    for (int i = 0; i < 20'000; ++i) {
        REQUIRE(stepper.step_one());
        most = std::max(most, lines[0].channel.queued_bytes());
    }
    REQUIRE(most >= kWindow);
    REQUIRE(most < kWindow + batch_bytes);
    REQUIRE(lines[0].source.waits_for() == task::WaitsFor::kOutput);
    REQUIRE(lines[0].sink.waits_for() == task::WaitsFor::kOperator);
    REQUIRE(lines[1].consumed > 100'000);
    for (Line& line : lines) {
        line.source.cancel();
        line.sink.cancel();
    }
    REQUIRE(stepper.run(100));
}

}  // namespace
}  // namespace millrace::test
