// A Waker that a test can wait for.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "operators/operator.h"

namespace millrace::operators::test {

class Bell final : public Waker {
  public:
    void wake() noexcept override {
        const std::lock_guard lock(mutex_);
        ++rings_;
        rung_.notify_all();
    }
    // Waits for a ring since the last call, at most `most`.
    void wait(std::chrono::milliseconds most) {
        std::unique_lock lock(mutex_);
        rung_.wait_for(lock, most, [&] { return rings_ != heard_; });
        heard_ = rings_;
    }
    [[nodiscard]] std::uint64_t rings() const {
        const std::lock_guard lock(mutex_);
        return rings_;
    }

  private:
    mutable std::mutex mutex_;
    std::condition_variable rung_;
    std::uint64_t rings_ = 0;
    std::uint64_t heard_ = 0;
};

}  // namespace millrace::operators::test
