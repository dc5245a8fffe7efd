// Lets slow work of one job through to the blocking pool, and says when the last of it has ended.
//
// A task never waits for work that it has handed over, so the work may outlive the task; what it
// holds (a slot's buffers, a locked file) comes back with its end. Whoever takes the job down waits
// for that by close(), without holding up a thread.
//
// Threads:    any.
// Ownership:  borrows the pool, which must outlive it.
// Limits:     the pool's.
// Failure:    work is refused as the pool refuses it, and with kUnavailable after close().

#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "runtime/base/run_blocking.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_annotations.h"
#include "runtime/task/blocking_pool.h"

namespace millrace::task {

class WorkGate {
  public:
    explicit WorkGate(BlockingPool& pool) : pool_(pool) {}
    WorkGate(const WorkGate&) = delete;
    WorkGate& operator=(const WorkGate&) = delete;

    // What tasks hand their slow work to; may outlive the gate.
    [[nodiscard]] RunBlocking entry() const;
    // Lets nothing more in. Calls `on_empty` once: here when nothing is inside, else on the thread
    // of the last work, which has given back what it held. REQUIRES: the first call.
    void close(std::function<void()> on_empty);

  private:
    // Lives as long as the work inside.
    struct Inside {
        bool enter() MILLRACE_EXCLUDES(mutex);
        void leave() MILLRACE_EXCLUDES(mutex);

        Mutex mutex;
        std::size_t count MILLRACE_GUARDED_BY(mutex) = 0;
        bool is_closed MILLRACE_GUARDED_BY(mutex) = false;
        std::function<void()> on_empty MILLRACE_GUARDED_BY(mutex);
    };

    BlockingPool& pool_;
    const std::shared_ptr<Inside> inside_ = std::make_shared<Inside>();
};

}  // namespace millrace::task
