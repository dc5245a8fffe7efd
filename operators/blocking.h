// Runs a piece of work on a thread that may block, and rings a task from there.
//
// Threads:    any.
// Ownership:  work that is under way may outlive the operator that asked for it, so it holds what
// it
//             needs by shared_ptr and rings through a DetachableWaker.
// Limits:     those of the pool behind it.
// Failure:    none.

#pragma once

#include <functional>

#include "operators/operator.h"
#include "runtime/base/thread_annotations.h"

namespace millrace::operators {

using Blocking = std::function<void(std::function<void()>)>;

// Rings a task's Waker until the task takes it away.
class DetachableWaker {
  public:
    explicit DetachableWaker(Waker& waker) : waker_(&waker) {}

    void wake() MILLRACE_EXCLUDES(mutex_) {
        const MutexLock lock(mutex_);
        if (waker_ != nullptr) waker_->wake();
    }
    // After it has returned, the Waker is not called any more.
    void detach() MILLRACE_EXCLUDES(mutex_) {
        const MutexLock lock(mutex_);
        waker_ = nullptr;
    }

  private:
    Mutex mutex_;
    Waker* waker_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::operators
