// The worker threads of a TaskManager, and which task is at home on which of them.
//
// A task comes to the worker with the fewest tasks. Once a second the pool looks at how long each
// task ran and lets tasks change their home at a step boundary (load_balance.h), since the costs of
// tasks differ: with four partitions, four source tasks carry most of the work.
//
// Threads:    any.
// Ownership:  owns the workers; borrows each task from add() until its left().
// Limits:     Worker::kTasksMax tasks a worker.
// Failure:    none.

#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/thread_annotations.h"
#include "runtime/task/tasks_inside.h"
#include "runtime/task/worker.h"

namespace millrace::task {

class WorkerPool {
  public:
    static constexpr Duration kBalanceEvery = std::chrono::seconds(1);

    // REQUIRES: workers > 0.
    WorkerPool(const Clock& clock, std::size_t workers);
    // REQUIRES: stop() was called.
    ~WorkerPool();
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    void start();
    // Steps `task` until it is gone. REQUIRES: start() was called, stop() was not.
    void add(Schedulable& task) MILLRACE_EXCLUDES(mutex_);
    // Waits until every task has left, then ends the threads. Idempotent. REQUIRES: whatever is
    // still here was cancelled, or ends by itself.
    void stop() MILLRACE_EXCLUDES(mutex_);

    [[nodiscard]] std::span<const std::unique_ptr<Worker>> workers() const { return workers_; }

  private:
    class Balancer;

    // Constant after construction.
    TasksInside tasks_inside_;  // Those that were added and have not left.
    std::vector<std::unique_ptr<Worker>> workers_;
    std::unique_ptr<Balancer> balancer_;

    Mutex mutex_;
    bool is_running_ MILLRACE_GUARDED_BY(mutex_) = false;
};

}  // namespace millrace::task
