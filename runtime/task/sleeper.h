// One thread's bed and bell: sleeps on an eventfd; others ring it only when it really sleeps.
//
// A ring through an eventfd costs 58 us until the sleeper runs, a flag that a spinning thread sees
// costs 0.13 us. So the sleeper publishes *sleeping* before it looks for work a last time, and a
// ringer publishes its work before it looks at *sleeping*. All four accesses stand in one total
// order, so at least one of the two sees the other's: no wake-up is lost, and no system call is
// made for a thread that is awake.
//
// Threads:    ring() from any; sleep_until() from the one that owns the bed.
// Ownership:  owns the eventfd.
// Failure:    the constructor aborts when the process is out of file descriptors.

#pragma once

#include <atomic>

#include "runtime/base/clock.h"

namespace millrace::task {

class Sleeper {
  public:
    Sleeper();
    ~Sleeper();
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;

    // REQUIRES: what the sleeper shall find was written before, by sequentially consistent stores.
    void ring() noexcept {
        if (is_sleeping_.load() && is_sleeping_.exchange(false)) write_bell();
    }

    // Sleeps until a ring or for `most`, unless `has_work()`, which is asked after *sleeping* was
    // published. May return early.
    template <class HasWork>
    void sleep(Duration most, HasWork&& has_work) {
        is_sleeping_.store(true);
        if (!has_work()) wait_for_bell(most);
        is_sleeping_.store(false);
    }

    // Rings that needed a system call so far; for tests and metrics.
    [[nodiscard]] std::uint64_t rings() const { return rings_.load(std::memory_order_relaxed); }

  private:
    void write_bell() noexcept;
    void wait_for_bell(Duration most);

    const int bell_fd_;
    std::atomic<bool> is_sleeping_{false};
    std::atomic<std::uint64_t> rings_{0};
};

}  // namespace millrace::task
