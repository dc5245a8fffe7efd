// Divides the network buffers that no floor claims among the local pools. Pure.
//
// Every pool gets its floor, and of the rest a part in proportion to what it could still use
// (ceiling - floor, at most all of the rest). Rounding errors carry forward, so no buffer is lost.
//
// Threads:    values.
// Ownership:  none.
// Limits:     whole numbers only; the result lies between floor and ceiling for every pool.
// Failure:    none. REQUIRES: unclaimed = all buffers - the sum of what is promised.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "memory/local_buffer_pool.h"

namespace millrace::memory {

// How many buffers each pool may have on loan, in the order of `pools`.
[[nodiscard]] std::vector<std::uint32_t> divide_buffers(
    std::uint32_t unclaimed, std::span<const LocalBufferPool::Limits> pools);

}  // namespace millrace::memory
