// The two times a process knows, by interface, so that tests and simulation can set them.
//
// Threads:    any.
// Failure:    none.

#pragma once

#include <chrono>
#include <cstdint>

namespace millrace {

using Duration = std::chrono::nanoseconds;
// Monotonic time; only differences mean anything.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

class Clock {
  public:
    virtual ~Clock() = default;
    // Monotonic; for deadlines and measuring.
    [[nodiscard]] virtual TimePoint now() const = 0;
    // Milliseconds since the Unix epoch; for records and people, never for deadlines.
    [[nodiscard]] virtual std::int64_t wall_ms() const = 0;
};

// The operating system's clocks. The only place in the product that reads them.
class SystemClock final : public Clock {
  public:
    [[nodiscard]] TimePoint now() const override;
    [[nodiscard]] std::int64_t wall_ms() const override;
};

}  // namespace millrace
