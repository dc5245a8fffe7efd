// How work on a thread that may block rings the task that asked for it.
//
// Threads:    any.
// Ownership:  the work may outlive the operator that asked for it, so it shares the waker.
// Limits:     none.
// Failure:    none.

#pragma once

#include "operators/operator.h"
#include "runtime/base/thread_annotations.h"

namespace millrace::operators {

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
