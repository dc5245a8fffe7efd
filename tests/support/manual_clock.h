// A clock that stands still until somebody moves it.
//
// Threads:    any.
// Failure:    moving it back aborts.

#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/base/check.h"
#include "runtime/base/clock.h"

namespace millrace::test {

class ManualClock final : public Clock {
  public:
    // Begins an hour after the clock's epoch, so that tests may look back.
    static constexpr Duration kBegin = std::chrono::hours(1);

    [[nodiscard]] TimePoint now() const override { return TimePoint(Duration(ns_.load())); }
    [[nodiscard]] std::int64_t wall_ms() const override {
        return kWallBeginMs + (ns_.load() - kBegin.count()) / 1'000'000;
    }

    void advance(Duration by) {
        MILLRACE_CHECK_GE(by.count(), 0);
        ns_.fetch_add(by.count());
    }
    void advance_to(TimePoint to) {
        if (to > now()) advance(to - now());
    }

  private:
    static constexpr std::int64_t kWallBeginMs = 1'700'000'000'000;

    std::atomic<std::int64_t> ns_{kBegin.count()};
};

}  // namespace millrace::test
