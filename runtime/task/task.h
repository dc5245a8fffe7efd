// One parallel subtask of one operator chain: what a worker steps.
//
//   step():  mail (cancel, barriers, decisions, splits)
//            -> edges carry on -> operator calls, until about 1 ms is over or nothing can run
//            -> again | wait for a wake() or the next tick | gone
//
// A task never blocks. Everything that it waits for rings wake(): channels when input or room
// comes, operators through their context's waker, the control plane through the mailbox. Exceptions
// of third-party code stop here and become the task's failure.
//
// Threads:    steps on one worker at a time, which may change between steps. cancel(), the mailbox
//             functions and the accessors from any. The listener is called on the worker's thread.
// Ownership:  owns its chain; borrows clock, registry, listener and policy. All tasks of a job in
//             one TaskManager, and their channels, are destroyed together after the last of them
//             has ended: until then a task may be rung.
// Limits:     kMailMax messages; what the chain and the channels hold.
// Failure:    the first cause ends the task as FAILED, once; operators are closed in any case.

#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "operators/operator.h"
#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/base/thread_annotations.h"
#include "runtime/task/operator_chain.h"
#include "runtime/task/schedulable.h"
#include "runtime/task/task_state.h"
#include "runtime/task/time_ledger.h"

namespace millrace::task {

class Task;

struct SnapshotReport {
    data::CheckpointBarrier barrier;
    Duration alignment{};    // How long the channels waited for each other.
    Duration start_delay{};  // From the trigger's wall time to the cut; zero if clocks disagree.
    Status outcome;          // An Error fails the checkpoint, not the task.
};

// Whoever deployed the task. Calls must not block.
class TaskListener {
  public:
    virtual ~TaskListener() = default;
    // RUNNING once; then one terminal state, as the last call about this task: its worker has let
    // go of it. `cause` is set for FAILED.
    virtual void on_state(Task& task, TaskState state, const Error* cause) = 0;
    // Where the snapshot of one step goes; destroyed when it is complete or given up.
    virtual Result<std::unique_ptr<state::SnapshotWriter>> open_snapshot(
        Task& task, std::uint64_t checkpoint_id, std::string_view step) = 0;
    virtual void on_snapshot(Task& task, const SnapshotReport& report) = 0;
};

class Task final : public Schedulable, private ChainObserver {
  public:
    static constexpr std::size_t kMailMax = 1024;
    static constexpr Duration kTroubleEvery = std::chrono::seconds(1);

    struct Options {
        std::string name;        // For people: "predict[3]".
        metrics::Labels labels;  // Of the task's own metrics.
        // Operator calls a step at most; simulations set it, since their clock stands still.
        std::size_t calls_max = std::numeric_limits<std::size_t>::max();
    };
    // What the task needs from its surroundings; all of it outlives the task.
    struct Environment {
        const Clock& clock;
        metrics::Registry& metrics;
        TaskListener& listener;
        BadRecordPolicy& bad_records;
    };

    // `errors` may be null: rejected records are then counted and dropped.
    Task(Options options, Environment environment, std::unique_ptr<ErrorRows> errors);
    ~Task() override;

    // To be built before the task is given to a worker, with this task as the contexts' waker.
    [[nodiscard]] OperatorChain& chain() { return chain_; }

    // From any thread. Ends the task as CANCELED at its next step, unless it has ended by then.
    void cancel();
    // Each leaves a message; kResourceExhausted when kMailMax of them were not read.
    // A task that starts barriers answers each trigger by on_snapshot(), unless a newer one takes
    // its place or it is aborted; kCancelled when it has ended and cannot any more. Others get
    // their barriers from their channels.
    Status trigger_checkpoint(const data::CheckpointBarrier& barrier);
    Status commit(std::uint64_t checkpoint_id);
    Status abort(std::uint64_t checkpoint_id);
    Status add_splits(std::vector<operators::Split> splits);

    // Schedulable.
    [[nodiscard]] StepResult step(TimePoint now) override;
    void left() noexcept override;

    [[nodiscard]] const std::string& name() const { return options_.name; }
    [[nodiscard]] TaskState state() const { return state_.load(std::memory_order_acquire); }
    // Why it failed; null before, and when it did not.
    [[nodiscard]] const Error* failure() const;
    [[nodiscard]] TimeLedger& times() { return times_; }
    // What hinders its operators from outside, as of the last second; empty when nothing does.
    [[nodiscard]] std::string trouble() const MILLRACE_EXCLUDES(mutex_);
    // What its last step found to wait for.
    [[nodiscard]] WaitsFor waits_for() const { return waits_for_.load(std::memory_order_relaxed); }

  private:
    struct Trigger {
        data::CheckpointBarrier barrier;
    };
    struct Commit {
        std::uint64_t checkpoint_id = 0;
    };
    struct Abort {
        std::uint64_t checkpoint_id = 0;
    };
    using Mail = std::variant<Trigger, Commit, Abort, std::vector<operators::Split>>;

    Status post(Mail mail) MILLRACE_EXCLUDES(mutex_);
    Status read_mail() MILLRACE_EXCLUDES(mutex_);
    // Takes no triggers any more, and says of those that wait that nothing will come of them.
    void refuse_triggers() MILLRACE_EXCLUDES(mutex_);
    void refuse(const data::CheckpointBarrier& barrier);
    Status take(Trigger mail);
    Status take(Commit mail);
    Status take(Abort mail);
    Status take(std::vector<operators::Split> splits);

    Result<StepResult> step_or_fail(TimePoint now);
    Result<StepResult> run(TimePoint now);
    Status initialize(TimePoint now);
    // Closes the operators and moves to a terminal state.
    StepResult end(TaskState state, std::optional<Error> cause) MILLRACE_EXCLUDES(mutex_);
    void move_to(TaskState state);
    void note_time(const StepResult& result);
    void inject_trigger();
    void note_trouble(TimePoint now) MILLRACE_EXCLUDES(mutex_);

    // ChainObserver.
    Result<std::unique_ptr<state::SnapshotWriter>> open_snapshot(std::uint64_t checkpoint_id,
                                                                 std::string_view step) override;
    void on_barrier_passed(const data::CheckpointBarrier& barrier, Duration alignment,
                           const Status& outcome) override;

    // Constant after construction.
    const Options options_;
    const Environment environment_;

    std::atomic<bool> is_canceled_{false};
    std::atomic<bool> has_mail_{false};
    std::atomic<TaskState> state_{TaskState::kCreated};
    std::atomic<WaitsFor> waits_for_{WaitsFor::kInput};

    mutable Mutex mutex_;
    std::string trouble_ MILLRACE_GUARDED_BY(mutex_);
    std::vector<Mail> mail_ MILLRACE_GUARDED_BY(mutex_);
    bool takes_triggers_ MILLRACE_GUARDED_BY(mutex_) = true;

    // The stepping thread's.
    OperatorChain chain_;
    TimePoint trouble_due_{};
    bool in_trouble_ = false;
    std::optional<data::CheckpointBarrier> trigger_;  // Waits until the chain takes it.
    std::optional<Error> cause_;                      // Written before state_ says FAILED.

    TimeLedger times_;
    metrics::MetricGroup metrics_;  // Reads the members above, so it goes first.
    metrics::Gauge& alignment_ns_;
    metrics::Gauge& start_delay_ns_;
    metrics::Gauge& initialization_ms_;
};

}  // namespace millrace::task
