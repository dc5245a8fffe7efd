#include "runtime/task/task.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/task/task_metrics.h"

namespace millrace::task {

Task::Task(Options options, Environment environment, std::unique_ptr<ErrorRows> errors)
    : options_(std::move(options)),
      environment_(environment),
      chain_(*this, environment.bad_records, std::move(errors)),
      times_(environment.clock.now()),
      metrics_(environment.metrics, options_.labels),
      alignment_ns_(metrics_.gauge(task_metric_name("checkpointAlignmentTime"),
                                   task_metric_help("checkpointAlignmentTime"))),
      start_delay_ns_(metrics_.gauge(task_metric_name("checkpointStartDelayNanos"),
                                     task_metric_help("checkpointStartDelayNanos"))),
      initialization_ms_(metrics_.gauge(task_metric_name("initializationTime"),
                                        task_metric_help("initializationTime"))) {
    add_task_metrics(metrics_, environment.clock, times_, chain_.traffic());
}

Task::~Task() {
    const TaskState state = this->state();
    MILLRACE_CHECK(state == TaskState::kCreated || is_terminal(state));
}

void Task::cancel() {
    is_canceled_.store(true);
    wake();
}

Status Task::trigger_checkpoint(const data::CheckpointBarrier& barrier) {
    return post(Trigger{barrier});
}

Status Task::commit(std::uint64_t checkpoint_id) { return post(Commit{checkpoint_id}); }

Status Task::abort(std::uint64_t checkpoint_id) { return post(Abort{checkpoint_id}); }

Status Task::add_splits(std::vector<operators::Split> splits) { return post(std::move(splits)); }

Status Task::post(Mail mail) {
    {
        MutexLock lock(mutex_);
        if (!takes_triggers_ && std::holds_alternative<Trigger>(mail)) {
            return fail(Code::kCancelled, "task {} has ended", name());
        }
        if (mail_.size() >= kMailMax) {
            return fail(Code::kResourceExhausted, "task {} has {} unread messages", name(),
                        mail_.size());
        }
        mail_.push_back(std::move(mail));
    }
    has_mail_.store(true);
    wake();
    return {};
}

Status Task::read_mail() {
    if (!has_mail_.load() || !has_mail_.exchange(false)) return {};
    std::vector<Mail> mail;
    {
        MutexLock lock(mutex_);
        mail.swap(mail_);
    }
    for (Mail& message : mail) {
        MILLRACE_TRY(
            std::visit([this](auto&& content) { return take(std::move(content)); }, message));
    }
    return {};
}

Status Task::take(Trigger mail) {
    // A newer one takes the place of one that still waits.
    if (chain_.starts_barriers()) trigger_ = mail.barrier;
    return {};
}

Status Task::take(Commit mail) { return chain_.commit(mail.checkpoint_id); }

Status Task::take(Abort mail) {
    if (trigger_ && trigger_->checkpoint_id <= mail.checkpoint_id) trigger_.reset();
    return chain_.abort(mail.checkpoint_id);
}

Status Task::take(std::vector<operators::Split> splits) { return chain_.add_splits(splits); }

StepResult Task::step(TimePoint now) {
    times_.enter(TimeUse::kBusy, now);
    Result<StepResult> result = step_or_fail(now);
    if (!result) result = end(TaskState::kFailed, std::move(result).error());
    note_time(*result);
    return *result;
}

Result<StepResult> Task::step_or_fail(TimePoint now) {
    try {
        if (is_canceled_.load()) return end(TaskState::kCanceled, std::nullopt);
        if (state() == TaskState::kCreated) MILLRACE_TRY(initialize(now));
        MILLRACE_TRY(read_mail());
        return run(now);
    } catch (const std::exception& exception) {
        return fail(Code::kInternal, "third-party code threw: {}", exception.what());
    } catch (...) {
        return fail(Code::kInternal, "third-party code threw something unknown");
    }
}

Status Task::initialize(TimePoint now) {
    move_to(TaskState::kInitializing);
    chain_.attach(*this);
    MILLRACE_TRY(chain_.open(now));
    const std::chrono::duration<double, std::milli> took = environment_.clock.now() - now;
    initialization_ms_.set(took.count());
    move_to(TaskState::kRunning);
    environment_.listener.on_state(*this, TaskState::kRunning, nullptr);
    return {};
}

Result<StepResult> Task::run(TimePoint now) {
    if (was_rung()) chain_.unblock();
    MILLRACE_TRY(chain_.advance_edges(now));
    const TimePoint end_of_slice = now + kSlice;
    StepResult result;
    for (std::size_t calls = 0;; ++calls) {
        inject_trigger();
        if (calls == options_.calls_max || now >= end_of_slice) {
            result.next = StepResult::Next::kAgain;
            return result;
        }
        MILLRACE_TRY_ASSIGN(const bool ran, chain_.run_one(now));
        if (!ran) break;
        result.worked = true;
        now = environment_.clock.now();
    }
    note_trouble(now);
    const WaitsFor waits_for = chain_.waits_for();
    waits_for_.store(waits_for, std::memory_order_relaxed);
    if (waits_for == WaitsFor::kNothing) return end(TaskState::kFinished, std::nullopt);
    result.wake_at = chain_.next_tick_after(now);
    // What has ended is shown no longer, even if nothing else happens here.
    if (in_trouble_) result.wake_at = std::min(result.wake_at, trouble_due_);
    return result;
}

void Task::note_trouble(TimePoint now) {
    if (now < trouble_due_) return;
    trouble_due_ = now + kTroubleEvery;
    std::string trouble = chain_.trouble();
    in_trouble_ = !trouble.empty();
    const MutexLock lock(mutex_);
    trouble_ = std::move(trouble);
}

std::string Task::trouble() const {
    const MutexLock lock(mutex_);
    return trouble_;
}

void Task::inject_trigger() {
    if (trigger_ && chain_.inject_barrier(*trigger_)) trigger_.reset();
}

void Task::refuse_triggers() {
    std::vector<Mail> mail;
    {
        MutexLock lock(mutex_);
        takes_triggers_ = false;
        mail.swap(mail_);
    }
    if (!chain_.starts_barriers()) return;
    if (trigger_) refuse(*trigger_);
    for (const Mail& message : mail) {
        if (const auto* trigger = std::get_if<Trigger>(&message)) refuse(trigger->barrier);
    }
}

void Task::refuse(const data::CheckpointBarrier& barrier) {
    environment_.listener.on_snapshot(
        *this, {.barrier = barrier,
                .outcome = fail(Code::kCancelled, "task {} ended before its snapshot", name())});
}

StepResult Task::end(TaskState state, std::optional<Error> cause) {
    refuse_triggers();
    chain_.close();
    cause_ = std::move(cause);
    move_to(state);
    return {.next = StepResult::Next::kGone, .worked = true};
}

void Task::move_to(TaskState state) {
    MILLRACE_CHECK(is_legal_move(this->state(), state));
    state_.store(state, std::memory_order_release);
}

void Task::left() noexcept { environment_.listener.on_state(*this, state(), failure()); }

const Error* Task::failure() const {
    return state() == TaskState::kFailed && cause_ ? &*cause_ : nullptr;
}

void Task::note_time(const StepResult& result) {
    TimeUse use = TimeUse::kBusy;
    if (result.next == StepResult::Next::kGone) {
        use = TimeUse::kIdle;
    } else if (result.next == StepResult::Next::kWait) {
        // An operator that waits for the outside is what holds the others up: it counts as busy.
        const WaitsFor waits_for = this->waits_for();
        if (waits_for == WaitsFor::kInput) use = TimeUse::kIdle;
        if (waits_for == WaitsFor::kOutput) use = TimeUse::kBackPressured;
    }
    times_.enter(use, environment_.clock.now());
}

Result<std::unique_ptr<state::SnapshotWriter>> Task::open_snapshot(std::uint64_t checkpoint_id,
                                                                   std::string_view step) {
    return environment_.listener.open_snapshot(*this, checkpoint_id, step);
}

void Task::on_barrier_passed(const data::CheckpointBarrier& barrier, Duration alignment,
                             const Status& outcome) {
    const std::int64_t delay_ms = environment_.clock.wall_ms() - barrier.triggered_at_ms;
    const Duration start_delay = std::chrono::milliseconds(std::max<std::int64_t>(0, delay_ms));
    alignment_ns_.set(static_cast<double>(alignment.count()));
    start_delay_ns_.set(static_cast<double>(start_delay.count()));
    environment_.listener.on_snapshot(*this, {.barrier = barrier,
                                              .alignment = alignment,
                                              .start_delay = start_delay,
                                              .outcome = outcome});
}

}  // namespace millrace::task
