#include "runtime/task/sleeper.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/base/check.h"

namespace millrace::task {

Sleeper::Sleeper() : bell_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    MILLRACE_CHECK_GE(bell_fd_, 0);
}

Sleeper::~Sleeper() { close(bell_fd_); }

void Sleeper::write_bell() noexcept {
    rings_.fetch_add(1, std::memory_order_relaxed);
    const std::uint64_t one = 1;
    // Fails only when the counter is full, that is when the bell rings already.
    (void)!write(bell_fd_, &one, sizeof one);
}

void Sleeper::wait_for_bell(Duration most) {
    if (most <= Duration::zero()) return;
    constexpr Duration kForever = std::chrono::hours(1);
    const auto count = std::min(most, kForever).count();
    const timespec limit{.tv_sec = static_cast<std::time_t>(count / 1'000'000'000),
                         .tv_nsec = static_cast<long>(count % 1'000'000'000)};
    pollfd bell{.fd = bell_fd_, .events = POLLIN, .revents = 0};
    if (ppoll(&bell, 1, &limit, nullptr) <= 0) return;
    std::uint64_t rings = 0;
    (void)!read(bell_fd_, &rings, sizeof rings);
}

}  // namespace millrace::task
