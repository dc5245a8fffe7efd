#include "memory/redistribution.h"

#include <algorithm>

namespace millrace::memory {
namespace {

std::uint64_t usable(const LocalBufferPool::Limits& pool, std::uint32_t unclaimed) {
    return std::min(unclaimed, pool.buffers_ceiling - pool.buffers_floor);
}

}  // namespace

std::vector<std::uint32_t> divide_buffers(std::uint32_t unclaimed,
                                          std::span<const LocalBufferPool::Limits> pools) {
    std::vector<std::uint32_t> sizes;
    sizes.reserve(pools.size());
    std::uint64_t capacity = 0;
    for (const auto& pool : pools) capacity += usable(pool, unclaimed);
    const std::uint64_t to_distribute = std::min<std::uint64_t>(unclaimed, capacity);
    std::uint64_t parts = 0;
    std::uint64_t done = 0;
    for (const auto& pool : pools) {
        parts += usable(pool, unclaimed);
        const std::uint64_t due = capacity == 0 ? 0 : to_distribute * parts / capacity;
        sizes.push_back(pool.buffers_floor + static_cast<std::uint32_t>(due - done));
        done = due;
    }
    return sizes;
}

}  // namespace millrace::memory
