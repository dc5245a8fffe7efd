// Turns a counter that only grows into a rate per second over the last full second.
//
// Threads:    one reader at a time.
// Failure:    none.

#pragma once

#include "runtime/base/clock.h"

namespace millrace::task {

class WindowRate {
  public:
    static constexpr Duration kWindow = std::chrono::seconds(1);

    explicit WindowRate(TimePoint now) : began_(now) {}

    // The rate of the last window that was at least a second long; before that, since the start.
    double read(double total, TimePoint now) {
        const Duration elapsed = now - began_;
        if ((has_window_ && elapsed < kWindow) || elapsed <= Duration::zero()) return rate_;
        rate_ = (total - total_then_) / std::chrono::duration<double>(elapsed).count();
        if (elapsed >= kWindow) {
            has_window_ = true;
            began_ = now;
            total_then_ = total;
        }
        return rate_;
    }

  private:
    TimePoint began_;
    double total_then_ = 0;
    double rate_ = 0;
    bool has_window_ = false;
};

}  // namespace millrace::task
