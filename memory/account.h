// The memory of something that several slots share, for example a model's table and view.
//
// Filled at deployment in equal parts from the slots that share it, all or nothing, before any of
// their tasks starts; each slot's limit falls by its part. Closing gives the parts back.
//
// Threads:    any; opening and closing from the control thread.
// Ownership:  owned by the MemoryManager, from open_account() until close_account() succeeds.
// Limits:     bytes_limit() is the sum of its parts.
// Failure:    as Budget.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "memory/memory_pool.h"
#include "memory/slot_memory.h"

namespace millrace::memory {

class Account final : public MemoryPool {
  public:
    struct Part {
        SlotMemory* slot;
        std::size_t bytes;
    };

    // `parts` have been taken from their slots. Accounts are made by MemoryManager::open_account().
    Account(MemoryManager& manager, const std::string& name, std::vector<Part> parts);

    using Budget::close;

    [[nodiscard]] const std::vector<Part>& parts() const { return parts_; }

  private:
    const std::vector<Part> parts_;
};

}  // namespace millrace::memory
