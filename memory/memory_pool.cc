#include "memory/memory_pool.h"

#include <utility>

#include "memory/byte_size.h"
#include "memory/memory_manager.h"
#include "runtime/base/check.h"

namespace millrace::memory {

MemoryPool::MemoryPool(MemoryManager& manager, Shape shape)
    : Budget(std::move(shape)), manager_(manager) {}

Result<Segment> MemoryPool::allocate(OwnerId owner, std::size_t bytes) {
    return allocate(owner, bytes, Kind::kPages);
}

Result<Segment> MemoryPool::allocate_table(OwnerId owner, std::size_t bytes) {
    return allocate(owner, bytes, Kind::kTable);
}

std::size_t MemoryPool::page_bytes() const { return manager_.page_bytes(); }

Result<Segment> MemoryPool::allocate(OwnerId owner, std::size_t bytes, Kind kind) {
    MILLRACE_CHECK_GT(bytes, 0U);
    const std::size_t charged = rounded_up(bytes);
    MILLRACE_TRY(grow(owner, {.in_pages = charged}));
    const auto pages = static_cast<std::uint32_t>(charged / page_bytes());
    std::optional<Segment> segment = kind == Kind::kTable
                                         ? manager_.take_table(*this, owner, pages)
                                         : manager_.take_pages(*this, owner, pages);
    if (segment) return std::move(*segment);
    shrink(owner, {.in_pages = charged});
    return fail(Code::kResourceExhausted,
                "the managed region is too fragmented for this request, though {} has room for it: "
                "{} requested {} in one piece, the longest free run has {}. Hint: raise "
                "taskmanager.memory.managed.size or ask for smaller pieces.",
                name(), tag_text(owner), format_bytes(charged),
                format_bytes(manager_.bytes_largest_free()));
}

void MemoryPool::free(SegmentHeader& header) {
    // Pages first, budget second: whoever gets the budget finds the pages.
    const OwnerId owner = header.owner;
    const std::size_t bytes = std::size_t{header.pages} * page_bytes();
    manager_.give_pages(header);
    shrink(owner, {.in_pages = bytes});
}

Result<MemoryOwner> MemoryOwner::of(MemoryPool& pool, const OwnerTag& tag) {
    MILLRACE_TRY_ASSIGN(const OwnerId id, pool.owner(tag));
    return MemoryOwner(pool, id);
}

}  // namespace millrace::memory
