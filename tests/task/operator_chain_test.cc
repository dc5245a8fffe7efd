#include "runtime/task/operator_chain.h"

#include <utility>

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

TEST_CASE("A task takes new input only when the last batch has gone all the way",
          "[task][operator_chain]") {
    TaskWorld world;
    world.make();
    world.add_root("a");
    world.add_step("b", {.parent = 0});
    world.add_step("c", {.parent = 1});
    world.start();
    for (int i = 1; i <= 2; ++i) world.input.push(world.rows(i));
    world.run();
    REQUIRE(Diary(world.diary.begin() + 3, world.diary.end()) ==
            Diary{"a 1", "b 1", "c 1", "a 2", "b 2", "c 2"});
}

TEST_CASE("An operator that yields is called again with the same batch until it is done",
          "[task][operator_chain]") {
    TaskWorld world;
    world.make();
    ScriptedStep& step = world.add_root("step");
    LocalChannel& output = world.add_edge(0, 1 << 20);
    int calls = 0;
    step.processing = [&](const data::BatchPtr& batch, Output& out) -> Answer {
        if (++calls % 3 != 0) return Progress::kYield;
        out.emit(batch);
        return Progress::kDone;
    };
    world.start();
    for (int i = 1; i <= 2; ++i) world.input.push(world.rows(i));
    world.run();
    REQUIRE(Diary(world.diary.begin() + 1, world.diary.end()) ==
            Diary{"step 1", "step 1", "step 1", "step 2", "step 2", "step 2"});
    REQUIRE(drain(output) == "1 2");
}

TEST_CASE("A blocked operator is not called before something rings", "[task][operator_chain]") {
    TaskWorld world;
    world.make();
    ScriptedStep& step = world.add_root("step");
    bool may_go_on = false;
    step.processing = [&](const data::BatchPtr&, Output&) -> Answer {
        return may_go_on ? Progress::kDone : Progress::kBlocked;
    };
    world.start();
    world.input.push(world.rows(1));
    world.run();
    const std::size_t entries = world.diary.size();
    world.run();
    REQUIRE(world.diary.size() == entries);
    REQUIRE(world.task->waits_for() == WaitsFor::kOperator);
    REQUIRE(world.task->chain().describe_wait() == "step `step` waits for the outside");
    may_go_on = true;
    step.context->waker.wake();
    world.run();
    REQUIRE(world.diary.back() == "step 1");
    REQUIRE(world.diary.size() == entries + 1);
    REQUIRE(world.task->waits_for() == WaitsFor::kInput);
}

TEST_CASE("A chain is a tree: every reader of an output gets the batch, sides apart",
          "[task][operator_chain]") {
    TaskWorld world;
    world.make();
    ScriptedStep& root = world.add_root("root");
    world.add_step("left", {.parent = 0});
    world.add_step("right", {.parent = 0});
    world.add_step("audit", {.parent = 0, .side = 1});
    LocalChannel& edge = world.add_edge(0, 1 << 20);
    LocalChannel& side_edge = world.add_edge(0, 1 << 20, 1);
    root.processing = [&](const data::BatchPtr& batch, Output& out) -> Answer {
        out.emit(batch);
        out.emit_to(1, world.rows(100));
        return Progress::kDone;
    };
    world.start();
    world.input.push(world.rows(1));
    world.input.push(barrier(3));
    world.run();
    const auto count = [&](const std::string& entry) {
        return std::ranges::count(world.diary, entry);
    };
    REQUIRE(count("left 1") == 1);
    REQUIRE(count("right 1") == 1);
    REQUIRE(count("audit 100") == 1);
    REQUIRE(drain(edge) == "1 b3");
    REQUIRE(drain(side_edge) == "100 b3");
    REQUIRE(world.listener.reports(3) == 1);
}

TEST_CASE("A barrier snapshots operators in order and is reported once it has passed all",
          "[task][operator_chain]") {
    TaskWorld world;
    world.make();
    ScriptedStep& first = world.add_root("first");
    ScriptedStep& last = world.add_step("last", {.parent = 0});
    bool has_settled = false;
    first.snapshotting = [&](state::SnapshotWriter& writer) -> Answer {
        const std::byte bytes[3]{};
        MILLRACE_TRY(writer.write("state", bytes));
        return Progress::kDone;
    };
    last.snapshotting = [&](state::SnapshotWriter&) -> Answer {
        return has_settled ? Progress::kDone : Progress::kBlocked;
    };
    world.start();
    world.input.push(barrier(5));
    world.input.push(world.rows(1));
    world.run();
    REQUIRE(world.listener.reports(5) == 0);
    REQUIRE(world.diary.back() == "last snapshot 5");
    has_settled = true;
    last.context->waker.wake();
    world.run();
    REQUIRE(world.listener.reports(5) == 1);
    REQUIRE(world.listener.failed_reports(5) == 0);
    REQUIRE(world.diary.back() == "last 1");
    REQUIRE(world.listener.snapshot("task/first/5")->sections().at("state").size() == 3);
}

TEST_CASE("A snapshot that fails fails the checkpoint, not the task", "[task][operator_chain]") {
    TaskWorld world;
    world.make();
    ScriptedStep& step = world.add_root("step");
    LocalChannel& output = world.add_edge(0, 1 << 20);
    SECTION("because the operator says so") {
        step.snapshotting = [](state::SnapshotWriter&) -> Answer {
            return fail(Code::kUnavailable, "cannot");
        };
    }
    SECTION("because there is nowhere to write to") { world.listener.refuses_snapshots = true; }
    world.start();
    world.input.push(barrier(1));
    world.input.push(world.rows(1));
    world.run();
    REQUIRE(world.listener.reports(1) == 1);
    REQUIRE(world.listener.failed_reports(1) == 1);
    REQUIRE(drain(output) == "b1 1");
    REQUIRE(world.task->state() == TaskState::kRunning);
}

TEST_CASE("A source whose data has stopped still passes barriers", "[task][operator_chain]") {
    TaskWorld world;
    world.make();
    ScriptedSource& source = world.add_source();
    LocalChannel& output = world.add_edge(0, 1);
    source.polling = [&](Output& out) -> Answer {
        out.emit(world.rows(1));
        return Progress::kYield;
    };
    world.start();
    world.run();
    REQUIRE(world.task->waits_for() == WaitsFor::kOutput);
    REQUIRE(world.task->trigger_checkpoint(barrier(4)).has_value());
    world.run();
    REQUIRE(world.listener.reports(4) == 1);
    REQUIRE(drain(output) == "1 b4");
}

TEST_CASE("Behind a gate a barrier waits for room, as the rows before it did",
          "[task][operator_chain]") {
    TaskWorld world;
    world.make();
    world.add_root("step");
    LocalChannel& output = world.add_edge(0, 1);
    world.start();
    world.input.push(world.rows(1));
    world.input.push(barrier(4));
    world.run();
    REQUIRE(world.task->waits_for() == WaitsFor::kOutput);
    REQUIRE(world.listener.reports(4) == 0);
    REQUIRE(drain(output) == "1");
    world.run();
    REQUIRE(world.listener.reports(4) == 1);
    REQUIRE(drain(output) == "b4");
}

TEST_CASE("A dry source passes barriers, too", "[task][operator_chain]") {
    TaskWorld world;
    world.make();
    world.add_source();
    LocalChannel& output = world.add_edge(0, 1);
    world.start();
    world.run();
    REQUIRE(world.task->trigger_checkpoint(barrier(4)).has_value());
    world.run();
    REQUIRE(drain(output) == "b4");
}

TEST_CASE("A barrier passes operators that have ended, but not the edges behind them",
          "[task][operator_chain]") {
    TaskWorld world;
    world.make(true);
    ScriptedSource& source = world.add_source();
    world.add_step("middle", {.parent = 0});
    ScriptedStep& last = world.add_step("last", {.parent = 1});
    LocalChannel& output = world.add_edge(1, 1 << 20);
    bool has_settled = false;
    source.polling = [](Output&) -> Answer { return Progress::kEnd; };
    last.ending = [&](Output&) -> Answer {
        return has_settled ? Progress::kDone : Progress::kBlocked;
    };
    last.snapshotting = [](state::SnapshotWriter& writer) -> Answer {
        const std::byte bytes[3]{};
        MILLRACE_TRY(writer.write("state", bytes));
        return Progress::kDone;
    };
    world.start();
    world.run();
    REQUIRE(world.task->trigger_checkpoint(barrier(4)).has_value());
    world.run();
    REQUIRE(world.listener.reports(4) == 0);
    world.diary.clear();
    has_settled = true;
    last.context->waker.wake();
    world.run();
    REQUIRE(world.diary == Diary{"last end", "middle snapshot 4", "last snapshot 4", "source close",
                                 "middle close", "last close"});
    REQUIRE(world.listener.reports(4) == 1);
    REQUIRE(world.listener.failed_reports(4) == 0);
    REQUIRE(world.listener.snapshot("task/last/4")->sections().at("state").size() == 3);
    REQUIRE(drain(output) == "end");
    REQUIRE(drain(world.errors) == "end");
}

TEST_CASE("A task does not finish before a snapshot behind its end is written",
          "[task][operator_chain]") {
    TaskWorld world;
    world.make();
    ScriptedSource& source = world.add_source();
    ScriptedStep& sink = world.add_step("sink", {.parent = 0});
    bool has_settled = false;
    source.polling = [](Output&) -> Answer { return Progress::kEnd; };
    sink.ending = [&](Output&) -> Answer {
        return has_settled ? Progress::kDone : Progress::kBlocked;
    };
    sink.snapshotting = [&](state::SnapshotWriter&) -> Answer {
        return std::exchange(has_settled, false) ? Progress::kBlocked : Progress::kDone;
    };
    world.start();
    world.run();
    REQUIRE(world.task->trigger_checkpoint(barrier(4)).has_value());
    has_settled = true;
    world.run();
    REQUIRE(world.diary.back() == "sink snapshot 4");
    REQUIRE(world.task->state() == TaskState::kRunning);
    REQUIRE(world.task->waits_for() == WaitsFor::kOperator);
    sink.context->waker.wake();
    world.run();
    REQUIRE(world.listener.reports(4) == 1);
    REQUIRE(world.task->state() == TaskState::kFinished);
}

TEST_CASE("An aborted checkpoint that a source has not begun is not begun",
          "[task][operator_chain]") {
    TaskWorld world;
    world.make();
    world.add_source();
    LocalChannel& output = world.add_edge(0, 1);
    world.start();
    REQUIRE(world.task->trigger_checkpoint(barrier(4)).has_value());
    REQUIRE(world.task->abort(4).has_value());
    world.run();
    REQUIRE(drain(output).empty());
}

TEST_CASE("A tick waits for room and does not hold input up for ever", "[task][operator_chain]") {
    TaskWorld world;
    world.make();
    ScriptedStep& step = world.add_root("step");
    LocalChannel& output = world.add_edge(0, 1);
    SECTION("a tick without room behind it is made up for") {
        world.start();
        world.input.push(world.rows(1));
        world.run();
        step.tick = world.clock.now() + milliseconds(1);
        world.task->wake();
        world.run();
        world.clock.advance(milliseconds(5));
        world.diary.clear();
        world.run();
        REQUIRE(world.diary.empty());
        REQUIRE(drain(output) == "1");
        world.run();
        REQUIRE(world.diary == Diary{"step tick"});
    }
    SECTION("an operator that always wants a tick still gets its input") {
        step.tick = world.clock.now();
        step.ticking = [&](Output&) -> Status {
            step.tick = world.clock.now();
            return {};
        };
        world.start();
        world.input.push(world.rows(1));
        for (int i = 0; i < 3; ++i) (void)world.stepper.step_one();
        REQUIRE(std::ranges::count(world.diary, "step 1") == 1);
    }
    SECTION("an operator without input gets its ticks while the others are busy") {
        ScriptedStep& quiet = world.add_step("quiet", {.parent = 0, .side = 1});
        (void)drain(output);
        quiet.tick = world.clock.now();
        quiet.ticking = [&](Output&) -> Status {
            quiet.tick = world.clock.now();
            return {};
        };
        step.processing = [](auto&, auto&) -> Answer { return Progress::kDone; };
        world.start();
        for (int i = 0; i < 10; ++i) world.input.push(world.rows(1));
        for (int i = 0; i < 3; ++i) (void)world.stepper.step_one();
        REQUIRE(std::ranges::count(world.diary, "step 1") == 10);
        REQUIRE(std::ranges::count(world.diary, "quiet tick") >= 10);
    }
}

TEST_CASE("An operator that wants a tick when one of its inputs has ended gets it",
          "[task][operator_chain]") {
    TaskWorld world;
    world.second_input.emplace(1 << 20);
    world.make();
    ScriptedStep& step = world.add_root("step");
    step.ending_input = [&](std::uint32_t input) {
        REQUIRE(input == 1);
        step.tick = world.clock.now() + milliseconds(1);
    };
    world.start();
    world.second_input->push(data::EndOfInput{});
    world.run();
    world.clock.advance(milliseconds(1));
    world.diary.clear();
    world.run();
    REQUIRE(world.diary == Diary{"step tick"});
}

// Reads a text cell of the stream `errors`.
std::string cell(const data::Batch& batch, std::size_t column, std::size_t row) {
    return std::string(batch.column(column).text_at(row));
}

void reject_all(ScriptedStep& step) {
    step.processing = [](const data::BatchPtr& batch, Output& out) -> Answer {
        for (const data::Position& position : test::positions_of(*batch)) {
            MILLRACE_TRY(out.reject({.code = "bad_json",
                                     .message = "no closing brace",
                                     .field = "bid",
                                     .payload = "{\"bid\":",
                                     .key = "k",
                                     .position = position,
                                     .split = "ad_clicks/3"}));
        }
        return Progress::kDone;
    };
}

TEST_CASE("Rejected records become rows of the stream errors, ahead of the next barrier",
          "[task][operator_chain]") {
    TaskWorld world;
    world.make(true);
    reject_all(world.add_root("decode"));
    world.start();
    world.input.push(world.rows(40, 2));
    world.input.push(barrier(1));
    world.run();
    const auto element = world.errors.poll();
    REQUIRE(element.has_value());
    const data::Batch& rows = *std::get<data::BatchPtr>(*element);
    REQUIRE(rows.rows() == 2);
    const std::vector<std::string> expected{"decode",      "bad_json", "no closing brace", "bid",
                                            "ad_clicks/3", "k",        "{\"bid\":"};
    for (std::size_t column = 0; column < expected.size(); ++column) {
        REQUIRE(cell(rows, column, 1) == expected[column]);
    }
    REQUIRE(rows.positions().at(1).ordinal == 41);
    REQUIRE(drain(world.errors) == "b1");
    REQUIRE(world.policy.bad == 2);
}

TEST_CASE("A chain says how many rows came in and how many were bad", "[task][operator_chain]") {
    TaskWorld world;
    world.make();
    SECTION("through a gate, of all its operators") {
        reject_all(world.add_root("decode"));
        world.start();
        world.input.push(world.rows(1, 3));
        world.input.push(world.rows(4, 2));
        world.run();
        CHECK(world.task->chain().rows_in() == 5);
        CHECK(world.task->chain().rows_rejected() == 5);
    }
    SECTION("once where a source is read by several") {
        ScriptedSource& source = world.add_source();
        reject_all(world.add_step("one", {.parent = 0}));
        reject_all(world.add_step("two", {.parent = 0}));
        bool is_read = false;
        source.polling = [&](Output& out) -> Answer {
            if (std::exchange(is_read, true)) return Progress::kDone;
            out.emit(world.rows(1, 4));
            return Progress::kYield;
        };
        world.start();
        world.run();
        CHECK(world.task->chain().rows_in() == 4);
        CHECK(world.task->chain().rows_rejected() == 8);
    }
}

TEST_CASE("A few rejected records are sent after the linger", "[task][operator_chain]") {
    TaskWorld world;
    world.make(true);
    reject_all(world.add_root("decode"));
    world.start();
    world.input.push(world.rows(40));
    world.run();
    REQUIRE(drain(world.errors).empty());
    REQUIRE(world.stepper.next_due() == world.clock.now() + ErrorRows::kLinger);
    world.clock.advance(ErrorRows::kLinger);
    world.run();
    REQUIRE(drain(world.errors) == "40");
}

TEST_CASE("Too many bad records fail the task", "[task][operator_chain]") {
    TaskWorld world;
    world.policy.bad_max = 3;
    world.make();
    reject_all(world.add_root("decode"));
    world.start();
    world.input.push(world.rows(0, 10));
    world.run();
    REQUIRE(world.listener.failures() ==
            std::vector<std::string>{
                "task: decode: too many bad records; the last in decode: no closing brace"});
}

TEST_CASE("A source that ends has what it read judged", "[task][operator_chain]") {
    TaskWorld world;
    world.make();
    world.add_source().polling = [](Output& out) -> Answer {
        MILLRACE_TRY(out.reject({.code = "bad_json", .message = "no closing brace"}));
        return Progress::kEnd;
    };
    REQUIRE(world.policy.sources == 1);
    world.start();
    world.run();
    REQUIRE(world.policy.sources == 0);
    REQUIRE(world.listener.failures() == std::vector<std::string>{"task: source: 0 good, 1 bad"});
}

TEST_CASE("A source that read good records only, or none at all, may end",
          "[task][operator_chain]") {
    const bool has_rows = GENERATE(true, false);
    TaskWorld world;
    world.make();
    world.add_source().polling = [&](Output& out) -> Answer {
        if (has_rows) out.emit(world.rows(0));
        return Progress::kEnd;
    };
    world.start();
    world.run();
    REQUIRE(world.task->state() == TaskState::kFinished);
}

TEST_CASE("A chain tells each trouble once", "[task][operator_chain]") {
    TaskWorld world;
    world.make();
    world.add_root("source").complaint = "broker a is away";
    world.add_step("filter", {.parent = 0});
    world.add_step("sink", {.parent = 1}).complaint = "broker a is away";
    world.add_step("copy", {.parent = 1}).complaint = "broker b is away";
    REQUIRE(world.task->chain().trouble() == "broker a is away; broker b is away");
}

TEST_CASE("The end goes to the dead letters once every operator has ended",
          "[task][operator_chain]") {
    TaskWorld world;
    world.make(true);
    ScriptedStep& step = world.add_root("step");
    step.ending = [&](Output& out) -> Answer {
        MILLRACE_TRY(out.reject({.code = "late", .message = "at the end"}));
        return Progress::kDone;
    };
    world.start();
    world.input.push(data::EndOfInput{});
    world.run();
    REQUIRE(drain(world.errors) == "0 end");
    REQUIRE(world.task->state() == TaskState::kFinished);
}

}  // namespace
}  // namespace millrace::task
