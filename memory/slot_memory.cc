#include "memory/slot_memory.h"

#include <fmt/format.h>

#include "memory/memory_manager.h"

namespace millrace::memory {

SlotMemory::SlotMemory(MemoryManager& manager, std::uint32_t index, std::size_t bytes)
    : MemoryPool(manager, {.name = fmt::format("slot {}", index),
                           .bytes_limit = bytes,
                           .bytes_unit = manager.page_bytes(),
                           .hint = "raise taskmanager.memory.managed.size (or .managed.fraction), "
                                   "or lower taskmanager.numberOfTaskSlots."}),
      index_(index),
      bytes_nominal_(bytes) {}

Status SlotMemory::give_to_account(std::size_t bytes) {
    MILLRACE_TRY(lower_limit(bytes));
    bytes_in_accounts_.fetch_add(bytes, std::memory_order_relaxed);
    return {};
}

void SlotMemory::take_from_account(std::size_t bytes) {
    bytes_in_accounts_.fetch_sub(bytes, std::memory_order_relaxed);
    raise_limit(bytes);
}

}  // namespace millrace::memory
