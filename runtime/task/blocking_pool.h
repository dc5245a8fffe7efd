// A few threads for what must not run on a worker: fsync, uploads, DNS, slow library calls.
//
// Whoever submits gets the outcome back by ringing a Waker or posting to its own thread at the end
// of `work`.
//
// Threads:    submit() and stop() from any.
// Ownership:  owns the submitted functions until they ran.
// Limits:     `threads` at once, `queue_max` waiting.
// Failure:    submit() answers kResourceExhausted when the queue is full, kUnavailable after
//             stop().
//             `work` must not throw.

#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/base/thread_annotations.h"

namespace millrace::task {

class BlockingPool {
  public:
    struct Limits {
        std::size_t threads = 4;
        std::size_t queue_max = 1024;
    };

    // REQUIRES: limits.threads > 0.
    explicit BlockingPool(Limits limits) : limits_(limits) {}
    // REQUIRES: stop() was called, or start() never.
    ~BlockingPool();
    BlockingPool(const BlockingPool&) = delete;
    BlockingPool& operator=(const BlockingPool&) = delete;

    void start() MILLRACE_EXCLUDES(mutex_);
    Status submit(std::function<void()> work) MILLRACE_EXCLUDES(mutex_);
    // Takes nothing more, runs what waits, ends the threads. Idempotent.
    void stop() MILLRACE_EXCLUDES(mutex_);

    // Functions that wait for a thread.
    [[nodiscard]] std::size_t waiting() const MILLRACE_EXCLUDES(mutex_);

  private:
    void run() MILLRACE_EXCLUDES(mutex_);
    // The next function; empty when the pool has stopped and nothing waits.
    std::function<void()> next() MILLRACE_EXCLUDES(mutex_);

    const Limits limits_;

    mutable Mutex mutex_;
    std::condition_variable_any changed_;
    std::deque<std::function<void()>> queue_ MILLRACE_GUARDED_BY(mutex_);
    bool is_running_ MILLRACE_GUARDED_BY(mutex_) = false;

    // start()'s and stop()'s caller.
    std::vector<std::thread> threads_;
};

}  // namespace millrace::task
