// Counts the tasks that are still inside, and lets one wait until all have left.
//
// Threads:    any.
// Ownership:  outlives every thread that calls leave().
// Failure:    leave() without enter() aborts.

#pragma once

#include <atomic>
#include <cstddef>

#include "runtime/base/check.h"

namespace millrace::task {

class TasksInside {
  public:
    void enter() { inside_.fetch_add(1); }
    void leave() {
        const std::size_t before = inside_.fetch_sub(1);
        MILLRACE_CHECK_GT(before, 0U);
        if (before == 1) inside_.notify_all();
    }
    [[nodiscard]] std::size_t inside() const { return inside_.load(); }
    void wait_until_empty() const {
        for (std::size_t n = inside_.load(); n != 0; n = inside_.load()) inside_.wait(n);
    }

  private:
    std::atomic<std::size_t> inside_{0};
};

}  // namespace millrace::task
