#include "runtime/state/key_groups.h"

#include <bit>
#include <cstring>

namespace millrace::state {

namespace {

constexpr std::uint32_t kC1 = 0xcc9e2d51;
constexpr std::uint32_t kC2 = 0x1b873593;

std::uint32_t scramble(std::uint32_t block) { return std::rotl(block * kC1, 15) * kC2; }

}  // namespace

std::uint32_t murmur3(std::span<const std::byte> bytes, std::uint32_t seed) {
    std::uint32_t hash = seed;
    const std::size_t whole = bytes.size() / 4 * 4;
    for (std::size_t i = 0; i < whole; i += 4) {
        std::uint32_t block = 0;
        std::memcpy(&block, bytes.data() + i, 4);
        hash = std::rotl(hash ^ scramble(block), 13) * 5 + 0xe6546b64;
    }
    std::uint32_t tail = 0;
    for (std::size_t i = bytes.size(); i > whole; --i) {
        tail = (tail << 8) | static_cast<std::uint32_t>(bytes[i - 1]);
    }
    hash ^= scramble(tail);
    hash ^= static_cast<std::uint32_t>(bytes.size());
    hash = (hash ^ (hash >> 16)) * 0x85ebca6b;
    hash = (hash ^ (hash >> 13)) * 0xc2b2ae35;
    return hash ^ (hash >> 16);
}

}  // namespace millrace::state
