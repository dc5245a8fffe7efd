#include "runtime/task/task.h"

#include <sstream>
#include <stdexcept>
#include <string>

#include <catch2/catch.hpp>

#include "tests/task/task_world.h"

namespace millrace::task {
namespace {

using operators::Output;
using operators::Progress;
using std::chrono::milliseconds;
using test::Diary;
using test::drain;
using test::ScriptedSource;
using test::ScriptedStep;
using test::TaskWorld;

using States = std::vector<std::string>;
using Answer = Result<Progress>;

data::CheckpointBarrier barrier(std::uint64_t id) {
    return {.checkpoint_id = id, .triggered_at_ms = 0};
}

TEST_CASE("A task opens from the last operator to the first, runs, and closes", "[task][task]") {
    TaskWorld world;
    world.make();
    world.add_root("first");
    world.add_step("last", {.parent = 0});
    world.start();
    world.input.push(world.rows(1));
    world.input.push(data::Watermark{1});
    world.input.push(data::EndOfInput{});
    world.run();
    REQUIRE(world.diary == Diary{"last open", "first open", "first 1", "last 1", "first w1",
                                 "last w1", "first end", "last end", "first close", "last close"});
    REQUIRE(world.listener.states_of("task") == States{"RUNNING", "FINISHED"});
    REQUIRE(world.stepper.task_count() == 0);
}

TEST_CASE("A task without room behind it takes nothing, and goes on when room comes",
          "[task][task]") {
    TaskWorld world;
    world.make();
    world.add_root("step");
    LocalChannel& output = world.add_edge(0, 1);
    world.start();
    for (int i = 1; i <= 3; ++i) world.input.push(world.rows(i));
    world.run();
    REQUIRE(world.task->waits_for() == WaitsFor::kOutput);
    REQUIRE(world.task->times().current() == TimeUse::kBackPressured);
    REQUIRE(world.task->chain().describe_wait() == "step `step` waits for room on channel 0 of 1");
    std::string seen;
    for (int i = 1; i <= 3; ++i) {
        seen += drain(output);
        world.run();
    }
    REQUIRE(seen == "123");
}

TEST_CASE("Operators are restored after they were opened and before their first input",
          "[task][task]") {
    TaskWorld world;
    state::MemorySnapshot snapshot;
    const std::byte bytes[7]{};
    REQUIRE(snapshot.write("state", bytes).has_value());
    world.make();
    world.add_root("step", &snapshot);
    world.start();
    world.input.push(world.rows(1));
    world.run();
    REQUIRE(world.diary == Diary{"step open", "step restore 7", "step 1"});
}

TEST_CASE("Decisions about checkpoints reach every operator in order", "[task][task]") {
    TaskWorld world;
    world.make();
    world.add_root("a");
    world.add_step("b", {.parent = 0});
    world.start();
    world.run();
    world.diary.clear();
    REQUIRE(world.task->commit(1).has_value());
    REQUIRE(world.task->abort(2).has_value());
    REQUIRE(world.task->commit(3).has_value());
    world.run();
    REQUIRE(world.diary == Diary{"a commit 1", "b commit 1", "a abort 2", "b abort 2", "a commit 3",
                                 "b commit 3"});
}

TEST_CASE("No trigger of a checkpoint is left without an answer", "[task][task]") {
    TaskWorld world;
    world.make();
    ScriptedSource& source = world.add_source();
    world.start();
    SECTION("when the source ends before it reads the trigger") {
        source.polling = [&](Output&) -> Answer {
            REQUIRE(world.task->trigger_checkpoint(barrier(4)).has_value());
            return Progress::kEnd;
        };
        world.run();
        REQUIRE(world.task->state() == TaskState::kFinished);
    }
    SECTION("when the task is cancelled before it reads the trigger") {
        world.run();
        REQUIRE(world.task->trigger_checkpoint(barrier(4)).has_value());
        world.cancel_and_run();
    }
    REQUIRE(world.listener.failed_reports(4) == 1);
    const Status refused = world.task->trigger_checkpoint(barrier(5));
    REQUIRE_FALSE(refused);
    REQUIRE(refused.error().code == Code::kCancelled);
    REQUIRE(world.task->commit(4).has_value());
    REQUIRE(world.listener.reports(5) == 0);
}

TEST_CASE("A source that starts no barriers leaves triggers alone", "[task][task]") {
    TaskWorld world;
    world.make();
    ScriptedSource& source = world.add_source();
    LocalChannel& output = world.add_edge(0, 1 << 20);
    source.starts = false;
    world.start();
    REQUIRE(world.task->trigger_checkpoint(barrier(4)).has_value());
    world.run();
    world.cancel_and_run();
    REQUIRE(world.listener.reports(4) == 0);
    REQUIRE(world.diary == Diary{"source open", "source poll", "source close"});
    REQUIRE(drain(output).empty());
}

TEST_CASE("A source gets its splits before the first poll, and later ones when they come",
          "[task][task]") {
    TaskWorld world;
    world.make();
    world.add_source();
    REQUIRE(world.task->add_splits({{.name = "a/0"}, {.name = "a/1"}}).has_value());
    world.start();
    world.run();
    REQUIRE(world.task->add_splits({{.name = "a/2"}}).has_value());
    world.run();
    REQUIRE(world.diary == Diary{"source open", "source split a/0", "source split a/1",
                                 "source poll", "source split a/2", "source poll"});
}

TEST_CASE("A source that had nothing is polled again on a ring or a tick only", "[task][task]") {
    TaskWorld world;
    world.make();
    ScriptedSource& source = world.add_source();
    world.start();
    world.run();
    source.tick = world.clock.now() + milliseconds(2);
    world.task->wake();
    world.run();
    REQUIRE(world.stepper.next_due() == world.clock.now() + milliseconds(2));
    world.diary.clear();
    world.clock.advance(milliseconds(1));
    world.run();
    REQUIRE(world.diary.empty());
    world.clock.advance(milliseconds(1));
    world.run();
    REQUIRE(world.diary == Diary{"source tick", "source poll"});
}

TEST_CASE("A cancelled task closes its operators, whatever it was doing", "[task][task]") {
    TaskWorld world;
    world.make();
    ScriptedStep& step = world.add_root("step");
    LocalChannel& output = world.add_edge(0, 1);
    SECTION("nothing yet") {
        world.start();
        world.cancel_and_run();
        REQUIRE(world.diary.empty());
        REQUIRE(world.listener.states_of("task") == States{"CANCELED"});
        return;
    }
    SECTION("idling") {
        world.start();
        world.run();
    }
    SECTION("waiting for room") {
        world.start();
        for (int i = 0; i < 3; ++i) world.input.push(world.rows(i));
        world.run();
        REQUIRE(world.task->waits_for() == WaitsFor::kOutput);
    }
    SECTION("being blocked") {
        step.processing = [](auto&, auto&) -> Answer { return Progress::kBlocked; };
        world.start();
        world.input.push(world.rows(1));
        world.run();
    }
    SECTION("yielding in the middle of a batch") {
        step.processing = [](auto&, auto&) -> Answer { return Progress::kYield; };
        world.start();
        world.input.push(world.rows(1));
        for (int i = 0; i < 5; ++i) (void)world.stepper.step_one();
    }
    world.cancel_and_run();
    (void)drain(output);
    REQUIRE(world.diary.back() == "step close");
    REQUIRE(world.listener.states_of("task") == States{"RUNNING", "CANCELED"});
    REQUIRE(world.task->failure() == nullptr);
}

TEST_CASE("Cancelling a task that has finished changes nothing", "[task][task]") {
    TaskWorld world;
    world.make();
    world.add_root("step");
    world.start();
    world.input.push(data::EndOfInput{});
    world.run();
    world.cancel_and_run();
    REQUIRE(world.listener.states_of("task") == States{"RUNNING", "FINISHED"});
}

TEST_CASE("A task fails once, with its first cause and the step's name", "[task][task]") {
    TaskWorld world;
    world.make();
    ScriptedStep& step = world.add_root("score");
    std::string expected;
    SECTION("an operator's error") {
        step.processing = [](auto&, auto&) -> Answer {
            return fail(Code::kCorruption, "the table is broken");
        };
        expected = "task: score: the table is broken";
    }
    SECTION("an exception of third-party code") {
        step.processing = [](auto&, auto&) -> Answer { throw std::runtime_error("oops"); };
        expected = "task: third-party code threw: oops";
    }
    SECTION("an exception that is none") {
        step.processing = [](auto&, auto&) -> Answer { throw 7; };
        expected = "task: third-party code threw something unknown";
    }
    SECTION("more batches in one call than allowed") {
        step.processing = [](const data::BatchPtr& batch, Output& out) -> Answer {
            for (std::size_t i = 0; i <= operators::kEmitBatchesMax; ++i) out.emit(batch);
            return Progress::kDone;
        };
        expected = "task: score: emitted more than 4 batches in one call";
    }
    SECTION("an answer that only sources may give") {
        step.processing = [](auto&, auto&) -> Answer { return Progress::kEnd; };
        expected = "task: score: said kEnd, which is for sources only";
    }
    world.start();
    world.input.push(world.rows(1));
    world.run();
    world.cancel_and_run();
    REQUIRE(world.listener.failures() == std::vector<std::string>{expected});
    REQUIRE(world.listener.states_of("task") == States{"RUNNING", "FAILED"});
    REQUIRE(world.diary.back() == "score close");
}

TEST_CASE("A task whose operator does not open closes the others and fails", "[task][task]") {
    TaskWorld world;
    world.make();
    ScriptedStep& first = world.add_root("first");
    world.add_step("last", {.parent = 0});
    first.opening = [] { return Status(fail(Code::kResourceExhausted, "no memory")); };
    world.start();
    world.run();
    REQUIRE(world.diary == Diary{"last open", "first open", "last close"});
    REQUIRE(world.listener.states_of("task") == States{"FAILED"});
    REQUIRE(world.task->failure()->message == "first: no memory");
    REQUIRE(world.task->failure()->code == Code::kResourceExhausted);
}

TEST_CASE("A task has a limit on messages that it has not read", "[task][task]") {
    TaskWorld world;
    world.make();
    world.add_root("step");
    world.start();
    for (std::size_t i = 0; i < Task::kMailMax; ++i) REQUIRE(world.task->commit(i).has_value());
    REQUIRE(world.task->commit(0).error().code == Code::kResourceExhausted);
    world.run();
    REQUIRE(world.task->commit(0).has_value());
}

TEST_CASE("A task does not finish before its output has left", "[task][task]") {
    TaskWorld world;
    world.make();
    world.add_root("step");
    LocalChannel& output = world.add_edge(0, 1 << 20);
    while (output.has_control_room()) output.push(barrier(1));
    world.start();
    world.input.push(data::EndOfInput{});
    world.run();
    REQUIRE(world.task->state() == TaskState::kRunning);
    (void)drain(output);
    world.run();
    REQUIRE(world.task->state() == TaskState::kFinished);
    REQUIRE(drain(output) == "end");
}

TEST_CASE("A task's time is idle, busy or back-pressured", "[task][task]") {
    TaskWorld world;
    world.make();
    ScriptedStep& step = world.add_root("step");
    LocalChannel& output = world.add_edge(0, 1);
    step.processing = [&](const data::BatchPtr& batch, Output& out) -> Answer {
        world.clock.advance(milliseconds(100));  // Works that long.
        out.emit(batch);
        return Progress::kDone;
    };
    world.start();
    world.run();
    world.clock.advance(milliseconds(300));
    for (int i = 0; i < 2; ++i) world.input.push(world.rows(i));
    world.run();
    world.clock.advance(milliseconds(500));
    (void)drain(output);
    world.run();
    const TimeLedger::Rates rates = world.task->times().rates(world.clock.now());
    REQUIRE(rates.idle_ms == Approx(300));
    REQUIRE(rates.busy_ms == Approx(200));
    REQUIRE(rates.back_pressured_ms == Approx(500));
}

TEST_CASE("A task that waits for the outside counts as busy: it is what holds others up",
          "[task][task]") {
    TaskWorld world;
    world.make();
    ScriptedStep& sink = world.add_root("sink");
    sink.processing = [](auto&, auto&) -> Answer { return Progress::kBlocked; };
    world.start();
    world.input.push(world.rows(1));
    world.run();
    world.clock.advance(milliseconds(1000));
    REQUIRE(world.task->times().rates(world.clock.now()).busy_ms == Approx(1000));
}

// What the first series of this name shows.
double shown(const metrics::Registry& registry, const std::string& name) {
    std::istringstream lines(registry.to_prometheus());
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(name + "{") || line.starts_with(name + " "))
            return std::stod(line.substr(line.rfind(' ')));
    }
    FAIL("no metric " << name);
    return 0;
}

TEST_CASE("A task reports rows, batches, bytes and times under Flink's names", "[task][task]") {
    TaskWorld world;
    world.make();
    ScriptedSource& source = world.add_source();
    LocalChannel& output = world.add_edge(0, 1 << 20);
    int batches = 0;
    std::size_t bytes = 0;
    source.polling = [&](Output& out) -> Answer {
        if (batches++ == 3) return Progress::kDone;
        const data::BatchPtr batch = world.rows(10 * batches, 10);
        bytes += batch->bytes();
        out.emit(batch);
        return Progress::kYield;
    };
    world.start();
    world.run();
    (void)drain(output);
    const std::string task = "flink_taskmanager_job_task_";
    REQUIRE(shown(world.registry, task + "numRecordsOut") == 30);
    REQUIRE(shown(world.registry, task + "numBuffersOut") == 3);
    REQUIRE(shown(world.registry, task + "numBytesOut") == static_cast<double>(bytes));
    REQUIRE(shown(world.registry, task + "numRecordsIn") == 0);
    REQUIRE(shown(world.registry, task + "operator_numRecordsOut") == 30);
    REQUIRE(world.policy.read == 30);
    world.clock.advance(milliseconds(2000));
    REQUIRE(shown(world.registry, task + "idleTimeMsPerSecond") == Approx(1000));
    REQUIRE(shown(world.registry, task + "numRecordsOutPerSecond") == Approx(15));
    REQUIRE(shown(world.registry, task + "isBackPressured") == 0);
}

}  // namespace
}  // namespace millrace::task
