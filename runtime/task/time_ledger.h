// Where a task's time goes: busy, idle or back-pressured, measured, never derived.
//
// At any moment the task is in exactly one of the three, so the rates of one second sum to 1000 ms.
// A task that waits for its turn on a worker although it has work counts as busy.
//
// Threads:    enter() from the thread that steps the task; the rest from any.
// Limits:     none grows.
// Failure:    none.

#pragma once

#include <array>
#include <cstdint>

#include "runtime/base/clock.h"
#include "runtime/base/thread_annotations.h"

namespace millrace::task {

enum class TimeUse : std::uint8_t { kIdle, kBusy, kBackPressured };

class TimeLedger {
  public:
    // What rates() covers at least, once it has run that long.
    static constexpr Duration kWindow = std::chrono::seconds(1);

    struct Rates {
        double idle_ms = 0;  // Per second, like the other two.
        double busy_ms = 0;
        double back_pressured_ms = 0;
    };
    struct Totals {
        Duration idle{};
        Duration busy{};
        Duration back_pressured{};
    };

    explicit TimeLedger(TimePoint now) : since_(now), window_began_(now) {}

    void enter(TimeUse use, TimePoint now) MILLRACE_EXCLUDES(mutex_);
    [[nodiscard]] Totals totals(TimePoint now) const MILLRACE_EXCLUDES(mutex_);
    // Of the last full window; readers may come as often as they like.
    [[nodiscard]] Rates rates(TimePoint now) MILLRACE_EXCLUDES(mutex_);
    [[nodiscard]] TimeUse current() const MILLRACE_EXCLUDES(mutex_);

  private:
    using Sums = std::array<Duration, 3>;

    [[nodiscard]] Sums sums_at(TimePoint now) const MILLRACE_REQUIRES(mutex_);

    mutable Mutex mutex_;
    TimeUse use_ MILLRACE_GUARDED_BY(mutex_) = TimeUse::kIdle;
    TimePoint since_ MILLRACE_GUARDED_BY(mutex_);
    Sums sums_ MILLRACE_GUARDED_BY(mutex_){};  // Until since_.

    TimePoint window_began_ MILLRACE_GUARDED_BY(mutex_);
    Sums window_sums_ MILLRACE_GUARDED_BY(mutex_){};  // At window_began_.
    Rates last_ MILLRACE_GUARDED_BY(mutex_);
    bool has_last_ MILLRACE_GUARDED_BY(mutex_) = false;
};

}  // namespace millrace::task
