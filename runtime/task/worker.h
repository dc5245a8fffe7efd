// One worker thread: walks the tasks that are at home here and steps those that are ready.
//
//   walk: for each task: ready, due, or not finished last time? -> step() (at most kSlice)
//   nothing worked for kSpin -> publish *sleeping*, look once more, sleep until bell or first due
//
// Threads:    seat(), move_away() and request_stop() from any; the rest from the worker's own.
// Ownership:  borrows tasks from seat() until it called their left().
// Limits:     kTasksMax tasks; each walk steps each of them at most once, so a busy task delays its
//             neighbours by one slice each.
// Failure:    none.

#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/thread_annotations.h"
#include "runtime/task/schedulable.h"
#include "runtime/task/sleeper.h"
#include "runtime/task/tasks_inside.h"

namespace millrace::task {

class Worker {
  public:
    static constexpr std::size_t kTasksMax = 4096;
    // How long a worker that just worked looks for more before it sleeps.
    static constexpr Duration kSpin = std::chrono::microseconds(30);

    // How often it writes down how long each task ran.
    static constexpr Duration kSampleEvery = std::chrono::seconds(1);

    // How much of the last second one task ran. The pointer is a name only: the task may be gone.
    struct Load {
        const Schedulable* task = nullptr;
        double busy = 0;
    };

    // Every task that leaves leaves `tasks_inside`.
    Worker(const Clock& clock, std::string name, TasksInside& tasks_inside)
        : clock_(clock), name_(std::move(name)), tasks_inside_(tasks_inside) {}
    // REQUIRES: join() has returned, or start() was never called.
    ~Worker();

    void start();
    // Takes `task` in. It is stepped from now on.
    void seat(Schedulable& task) MILLRACE_EXCLUDES(mutex_);
    // Hands `task` to `to` at the next step boundary; nothing happens if it is not here by then.
    void move_away(const Schedulable* task, Worker& to) MILLRACE_EXCLUDES(mutex_);
    // Ends the thread. REQUIRES: every task of every worker has left.
    void request_stop();
    void join();

    // Tasks at home here, those on their way included.
    [[nodiscard]] std::size_t task_count() const { return count_.load(std::memory_order_relaxed); }
    // The last sample; all zero when the worker has slept since.
    [[nodiscard]] std::vector<Load> loads(TimePoint now) const MILLRACE_EXCLUDES(mutex_);
    [[nodiscard]] const Sleeper& sleeper() const { return sleeper_; }
    [[nodiscard]] const std::string& name() const { return name_; }

  private:
    struct Seat {
        Schedulable* task = nullptr;
        TimePoint due = TimePoint::max();  // When to step without a wake().
        bool again = false;                // The last step did not finish.
        std::uint64_t sampled_run_ns = 0;  // Schedulable::run_ns() at the last sample.
    };
    struct Move {
        const Schedulable* task = nullptr;
        Worker* to = nullptr;
    };

    void run();
    // Takes over what others put into the mailbox.
    void read_mailbox() MILLRACE_EXCLUDES(mutex_);
    void hand_over(const Move& move);
    // Steps every task that has something to do; true when one of them worked.
    bool walk();
    StepResult step(Seat& seat, TimePoint& now);
    void let_go(std::size_t index);
    void take_sample(TimePoint now) MILLRACE_EXCLUDES(mutex_);
    [[nodiscard]] bool has_work(TimePoint now) const;
    [[nodiscard]] TimePoint first_due() const;
    void spin_then_sleep(TimePoint worked_at);

    // Constant after construction.
    const Clock& clock_;
    const std::string name_;
    TasksInside& tasks_inside_;

    Sleeper sleeper_;
    std::atomic<bool> has_mail_{false};
    std::atomic<bool> stops_{false};
    std::atomic<std::size_t> count_{0};

    mutable Mutex mutex_;
    std::vector<Schedulable*> arrivals_ MILLRACE_GUARDED_BY(mutex_);
    std::vector<Move> departures_ MILLRACE_GUARDED_BY(mutex_);
    std::vector<Load> sample_ MILLRACE_GUARDED_BY(mutex_);
    TimePoint sample_until_ MILLRACE_GUARDED_BY(mutex_) = TimePoint::min();

    // The worker thread's own.
    std::vector<Seat> seats_;
    TimePoint sampled_at_ = TimePoint::min();

    std::thread thread_;
};

}  // namespace millrace::task
