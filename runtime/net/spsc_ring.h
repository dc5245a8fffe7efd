// A queue of fixed capacity between one thread that puts and one that takes, without locks.
//
// Threads:    push(): one at a time. front(), pop(): one at a time. size(): any, a moment old.
// Ownership:  owns what is in it.
// Limits:     capacity(), the next power of two at or above what was asked for.
// Failure:    push() on a full ring says so and leaves the value alone.

#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <utility>

#include "runtime/base/check.h"

namespace millrace::net {

template <class T>
class SpscRing {
  public:
    explicit SpscRing(std::size_t capacity)
        : mask_(std::bit_ceil(capacity) - 1), slots_(std::make_unique<T[]>(mask_ + 1)) {}

    [[nodiscard]] bool push(T&& value) {
        const std::size_t tail = tail_.load(std::memory_order_relaxed);
        // Acquire: the slot's last value was moved out before it is written again.
        if (tail - head_.load(std::memory_order_acquire) > mask_) return false;
        slots_[tail & mask_] = std::move(value);
        tail_.store(tail + 1, std::memory_order_release);
        return true;
    }
    // The oldest value; null when empty.
    [[nodiscard]] T* front() {
        const std::size_t head = head_.load(std::memory_order_relaxed);
        if (head == tail_.load(std::memory_order_acquire)) return nullptr;
        return &slots_[head & mask_];
    }
    // Takes the oldest value. REQUIRES: front() != nullptr.
    T pop() {
        T* const slot = front();
        MILLRACE_CHECK(slot != nullptr);
        T value = std::exchange(*slot, T{});
        head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
        return value;
    }
    [[nodiscard]] std::size_t size() const {
        const std::size_t head = head_.load(std::memory_order_acquire);
        return tail_.load(std::memory_order_acquire) - head;
    }
    [[nodiscard]] std::size_t capacity() const { return mask_ + 1; }

  private:
    const std::size_t mask_;
    const std::unique_ptr<T[]> slots_;
    alignas(64) std::atomic<std::size_t> tail_{0};  // Written by the putting thread.
    alignas(64) std::atomic<std::size_t> head_{0};  // Written by the taking thread.
};

}  // namespace millrace::net
