// Waits for a condition of another process or thread by asking again, with a deadline.
//
// The only way in which tests wait. Deadlines are generous: they end a test that hangs and are no
// measure of speed.
//
// Threads:    any; `condition` is called on the caller's.
// Limits:     asks every 10 ms.
// Failure:    false when the deadline passed.

#pragma once

#include <chrono>
#include <functional>

#include "runtime/base/clock.h"

namespace millrace::support {

// Long enough for any step of a test on a loaded machine.
constexpr std::chrono::seconds kPatience{60};

// Returns true as soon as `condition` does, and false when it did not within `patience`. Asks at
// least once.
[[nodiscard]] bool eventually(std::chrono::milliseconds patience,
                              const std::function<bool()>& condition);
[[nodiscard]] bool eventually(const std::function<bool()>& condition);

// The monotonic time by which something must have happened, for calls that take what is left.
class Deadline {
  public:
    explicit Deadline(std::chrono::milliseconds patience);
    [[nodiscard]] bool passed() const;
    // What is left in milliseconds, at least 0; fits poll() and librdkafka's time-outs.
    [[nodiscard]] int left_ms() const;

  private:
    TimePoint end_;
};

}  // namespace millrace::support
