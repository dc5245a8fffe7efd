// One task around operators whose every answer the test scripts, stepped by hand.
//
// Threads:    one.
// Ownership:  owns task, channels and memory.
// Failure:    aborts.

#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/task/local_channel.h"
#include "runtime/task/stepper.h"
#include "runtime/task/task.h"
#include "tests/support/manual_clock.h"
#include "tests/support/slot_world.h"
#include "tests/task/counting_waker.h"
#include "tests/task/pipeline.h"
#include "tests/task/rows.h"

namespace millrace::test {

// What happened, in order, in words.
using Diary = std::vector<std::string>;

// Does what the test says; writes down every call.
class ScriptedStep final : public operators::Step {
  public:
    ScriptedStep(Diary& diary, std::string name) : diary_(diary), name_(std::move(name)) {}

    Status open(operators::OperatorContext& context) override;
    Result<operators::Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                                        operators::Output& output) override;
    Status on_watermark(data::Watermark watermark, operators::Output& output) override;
    Result<operators::Progress> snapshot(std::uint64_t checkpoint_id,
                                         state::SnapshotWriter& writer) override;
    Status restore(state::SnapshotReader& reader) override;
    Status commit(std::uint64_t checkpoint_id) override;
    Status abort(std::uint64_t checkpoint_id) override;
    Status on_tick(operators::Output& output) override;
    [[nodiscard]] TimePoint next_tick() const override { return tick; }
    Status on_input_end(std::uint32_t input) override;
    Result<operators::Progress> on_end(operators::Output& output) override;
    void close() noexcept override { diary_.push_back(name_ + " close"); }
    [[nodiscard]] std::string trouble() const override { return complaint; }

    // Defaults: everything succeeds, rows are handed on.
    std::string complaint;
    std::function<Status()> opening;
    std::function<Result<operators::Progress>(const data::BatchPtr&, operators::Output&)>
        processing;
    std::function<Result<operators::Progress>(state::SnapshotWriter&)> snapshotting;
    std::function<Status(operators::Output&)> ticking;
    std::function<void(std::uint32_t)> ending_input;
    std::function<Result<operators::Progress>(operators::Output&)> ending;
    TimePoint tick = TimePoint::max();
    operators::OperatorContext* context = nullptr;

  private:
    Diary& diary_;
    const std::string name_;
};

class ScriptedSource final : public operators::Source {
  public:
    explicit ScriptedSource(Diary& diary) : diary_(diary) {}

    Status open(operators::OperatorContext& opened) override;
    Status add_splits(std::span<const operators::Split> splits) override;
    Result<operators::Progress> poll(operators::Output& output) override;
    Result<operators::Progress> snapshot(std::uint64_t checkpoint_id,
                                         state::SnapshotWriter& writer) override;
    Status on_tick(operators::Output& output) override;
    [[nodiscard]] TimePoint next_tick() const override { return tick; }
    [[nodiscard]] bool starts_barriers() const override { return starts; }
    void close() noexcept override { diary_.push_back("source close"); }

    // Default: nothing there.
    std::function<Result<operators::Progress>(operators::Output&)> polling;
    TimePoint tick = TimePoint::max();
    bool starts = true;
    operators::OperatorContext* context = nullptr;

  private:
    Diary& diary_;
};

// Counts, and says that the limit is passed after `bad_max` bad records.
class CountingPolicy final : public task::BadRecordPolicy {
  public:
    void on_records_read(std::uint64_t records, TimePoint) override { read += records; }
    Status on_bad_record(std::string_view step, const operators::Rejection& rejection,
                         TimePoint) override;
    void add_source(std::string_view) override { ++sources; }
    Status on_source_end(std::string_view step, std::uint64_t good,
                         std::uint64_t bad_ones) override {
        --sources;
        if (bad_ones == 0) return {};
        return fail(Code::kInvalidArgument, "{}: {} good, {} bad", step, good, bad_ones);
    }

    std::uint64_t read = 0;
    std::uint64_t bad = 0;
    std::uint64_t bad_max = 1'000'000;
    int sources = 0;  // That have not ended.
};

class TaskWorld {
  public:
    explicit TaskWorld(std::uint64_t seed = 1) : stepper(clock, seed) {}
    ~TaskWorld();

    // Makes the task; then its operators are added, then start(). Dead letters go to `errors`.
    void make(bool has_errors = false);
    ScriptedSource& add_source();
    // A root behind a gate with one input channel, or with `second_input` as well.
    ScriptedStep& add_root(std::string name, state::SnapshotReader* restored = nullptr);
    ScriptedStep& add_step(std::string name, task::OperatorChain::Link link);
    // A forward edge from `node` to a new channel, which it returns.
    task::LocalChannel& add_edge(std::uint32_t node, std::size_t window_bytes,
                                 std::uint32_t side = 0);
    void start() { stepper.add(*task); }
    // Steps until nothing is ready or due.
    void run() { MILLRACE_CHECK(stepper.run(100'000)); }
    void cancel_and_run() {
        task->cancel();
        run();
    }
    [[nodiscard]] data::BatchPtr rows(std::int64_t first, std::int64_t count = 1) {
        return make_rows(world.batches(), 0, first, count);
    }

    SlotWorld world;
    ManualClock clock;
    metrics::Registry registry;
    Listener listener;
    CountingPolicy policy;
    CountingWaker neighbour;  // At the other ends of the channels.
    Diary diary;
    task::LocalChannel input{1 << 20};
    std::optional<task::LocalChannel> second_input;
    task::LocalChannel errors{1 << 20};
    std::deque<task::LocalChannel> outputs;
    std::unique_ptr<TaskSeat> seat;
    std::unique_ptr<task::Task> task;
    task::Stepper stepper;
    std::size_t calls_max = 50;

  private:
    std::deque<std::string> names_;
};

// All that a channel holds, in words: rows as "5..7", "w9" ("i9": idle), "b1", "end".
std::string drain(task::LocalChannel& channel);

}  // namespace millrace::test
