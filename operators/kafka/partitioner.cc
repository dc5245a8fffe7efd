#include "operators/kafka/partitioner.h"

#include <cstring>

namespace millrace::operators {

std::uint32_t murmur2(std::string_view bytes) {
    constexpr std::uint32_t kSeed = 0x9747b28c;
    constexpr std::uint32_t kMultiplier = 0x5bd1e995;
    constexpr int kShift = 24;
    std::uint32_t hash = kSeed ^ static_cast<std::uint32_t>(bytes.size());
    const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
    std::size_t left = bytes.size();
    for (; left >= 4; at += 4, left -= 4) {
        std::uint32_t word = 0;
        std::memcpy(&word, at, sizeof word);
        word *= kMultiplier;
        word ^= word >> kShift;
        hash = (hash * kMultiplier) ^ (word * kMultiplier);
    }
    if (left == 3) hash ^= std::uint32_t{at[2]} << 16;
    if (left >= 2) hash ^= std::uint32_t{at[1]} << 8;
    if (left >= 1) hash = (hash ^ at[0]) * kMultiplier;
    hash ^= hash >> 13;
    hash *= kMultiplier;
    return hash ^ (hash >> 15);
}

}  // namespace millrace::operators
