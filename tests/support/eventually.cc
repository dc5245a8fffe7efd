#include "tests/support/eventually.h"

#include <algorithm>
#include <limits>

#include <poll.h>

namespace millrace::support {

namespace {

constexpr int kAskEveryMs = 10;

}  // namespace

bool eventually(std::chrono::milliseconds patience, const std::function<bool()>& condition) {
    const Deadline deadline(patience);
    while (true) {
        if (condition()) {
            return true;
        }
        if (deadline.passed()) {
            return false;
        }
        ::poll(nullptr, 0, std::min(kAskEveryMs, deadline.left_ms()));
    }
}

bool eventually(const std::function<bool()>& condition) { return eventually(kPatience, condition); }

Deadline::Deadline(std::chrono::milliseconds patience) : end_(SystemClock().now() + patience) {}

bool Deadline::passed() const { return SystemClock().now() >= end_; }

int Deadline::left_ms() const {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end_ - SystemClock().now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::numeric_limits<int>::max()));
}

}  // namespace millrace::support
