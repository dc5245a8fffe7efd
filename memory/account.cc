#include "memory/account.h"

#include <utility>

#include "memory/memory_manager.h"

namespace millrace::memory {
namespace {

std::size_t sum_of(const std::vector<Account::Part>& parts) {
    std::size_t sum = 0;
    for (const auto& part : parts) sum += part.bytes;
    return sum;
}

}  // namespace

Account::Account(MemoryManager& manager, const std::string& name, std::vector<Part> parts)
    : MemoryPool(manager, {.name = "account " + name,
                           .bytes_limit = sum_of(parts),
                           .bytes_unit = manager.page_bytes(),
                           .hint = "raise taskmanager.memory.managed.size (or .managed.fraction) "
                                   "and give the account more."}),
      parts_(std::move(parts)) {}

}  // namespace millrace::memory
