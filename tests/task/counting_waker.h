// A Waker that counts its rings.
//
// Threads:    any.
// Failure:    none.

#pragma once

#include <atomic>

#include "runtime/base/waker.h"

namespace millrace::test {

class CountingWaker final : public Waker {
  public:
    void wake() noexcept override { rings_.fetch_add(1); }
    [[nodiscard]] int rings() const { return rings_.load(); }

  private:
    std::atomic<int> rings_{0};
};

}  // namespace millrace::test
