// The managed memory of one slot: a hard budget over the region.
//
// A job's tasks in this slot draw from it. When the last of them has gone, close() verifies that
// they gave everything back, names the leaker otherwise, and leaves the slot ready for the next
// job. Part of the budget may have been given to accounts; it returns when those are closed.
//
// Threads:    any.
// Ownership:  owned by the MemoryManager, lives as long as it does.
// Limits:     bytes_limit() = bytes_nominal() - bytes_in_accounts().
// Failure:    as Budget.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "memory/memory_pool.h"

namespace millrace::memory {

class SlotMemory final : public MemoryPool {
  public:
    // `bytes` is a whole number of pages. Slots are made by their MemoryManager.
    SlotMemory(MemoryManager& manager, std::uint32_t index, std::size_t bytes);

    [[nodiscard]] std::uint32_t index() const { return index_; }
    // What the slot got at start.
    [[nodiscard]] std::size_t bytes_nominal() const { return bytes_nominal_; }
    // What it has given to accounts.
    [[nodiscard]] std::size_t bytes_in_accounts() const {
        return bytes_in_accounts_.load(std::memory_order_relaxed);
    }

    using Budget::close;

    // Moves `bytes` of the limit to an account, and back. REQUIRES: whole pages.
    Status give_to_account(std::size_t bytes);
    void take_from_account(std::size_t bytes);

  private:
    const std::uint32_t index_;
    const std::size_t bytes_nominal_;
    std::atomic<std::size_t> bytes_in_accounts_{0};  // For display; the limit is what counts.
};

}  // namespace millrace::memory
