// CRC-32C (Castagnoli), the checksum of every frame and every checkpoint file.
//
// Threads:    any.
// Failure:    none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace millrace {

// Continues `crc` (0 to begin) over `bytes`. Uses the processor's instruction where it has one.
[[nodiscard]] std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t crc = 0);

}  // namespace millrace
