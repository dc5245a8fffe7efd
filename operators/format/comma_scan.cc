#include "operators/format/comma_scan.h"

#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace millrace::operators {
namespace {

// Writes the positions of the set bits, four at a time; the surplus is overwritten by the next
// group.
inline std::uint32_t* write_positions(std::uint64_t bits, std::uint32_t base,
                                      std::uint32_t* positions) {
    const int count = std::popcount(bits);
    for (int i = 0; i < count; i += 4) {
        for (int j = 0; j < 4; ++j) {
            positions[i + j] = base + static_cast<std::uint32_t>(std::countr_zero(bits));
            bits &= bits - 1;
        }
    }
    return positions + count;
}

// The low `bytes` bits, all 64 from 64 on.
inline std::uint64_t low_bits(std::size_t bytes) {
    return bytes >= 64 ? ~0ULL : (1ULL << bytes) - 1;
}

// Bit i = whether an odd number of bits up to and including i is set.
inline std::uint64_t prefix_xor(std::uint64_t bits) {
    for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
    return bits;
}

#if defined(__x86_64__)

inline std::uint64_t equal_16(const char* at, char c) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8(c))));
}

inline std::uint64_t equal_64(const char* at, char c) {
    return equal_16(at, c) | equal_16(at + 16, c) << 16 | equal_16(at + 32, c) << 32 |
           equal_16(at + 48, c) << 48;
}

__attribute__((target("avx2,bmi,popcnt"))) std::size_t find_commas_avx2(const char* record,
                                                                        std::size_t bytes,
                                                                        std::size_t limit,
                                                                        std::uint32_t* positions) {
    const __m256i comma = _mm256_set1_epi8(',');
    std::uint32_t* next = positions;
    for (std::size_t at = 0; at < bytes && next <= positions + limit; at += 64) {
        const auto* const block = reinterpret_cast<const __m256i*>(record + at);
        const auto equal = [&](const __m256i* half) __attribute__((target("avx2"))) {
            return static_cast<std::uint32_t>(
                _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256(half), comma)));
        };
        std::uint64_t bits = equal(block) | std::uint64_t{equal(block + 1)} << 32;
        bits &= low_bits(bytes - at);
        const auto base = static_cast<std::uint32_t>(at);
        const auto count = static_cast<std::uint32_t>(_mm_popcnt_u64(bits));
        for (std::uint32_t i = 0; i < count; i += 4) {
            for (std::uint32_t j = 0; j < 4; ++j) {
                next[i + j] = base + static_cast<std::uint32_t>(_tzcnt_u64(bits));
                bits = _blsr_u64(bits);
            }
        }
        next += count;
    }
    return static_cast<std::size_t>(next - positions);
}

bool has_avx2() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("popcnt");
}

#else

inline std::uint64_t equal_64(const char* at, char c) {
    std::uint64_t bits = 0;
    for (int i = 0; i < 64; ++i) bits |= std::uint64_t{at[i] == c} << i;
    return bits;
}

#endif

std::size_t find_commas_baseline(const char* record, std::size_t bytes, std::size_t limit,
                                 std::uint32_t* positions) {
    std::uint32_t* next = positions;
    for (std::size_t at = 0; at < bytes && next <= positions + limit; at += 64) {
        const std::uint64_t bits = equal_64(record + at, ',') & low_bits(bytes - at);
        next = write_positions(bits, static_cast<std::uint32_t>(at), next);
    }
    return static_cast<std::size_t>(next - positions);
}

}  // namespace

std::size_t find_commas(const char* record, std::size_t bytes, std::size_t limit,
                        std::uint32_t* positions) {
#if defined(__x86_64__)
    static const bool use_avx2 = has_avx2();
    if (use_avx2) {
        return find_commas_avx2(record, bytes, limit, positions);
    }
#endif
    return find_commas_baseline(record, bytes, limit, positions);
}

std::size_t find_outer_commas(const char* record, std::size_t bytes, std::size_t limit,
                              std::uint32_t* positions) {
    std::uint32_t* next = positions;
    std::uint64_t in_string = 0;  // All ones when the block begins inside a string.
    std::uint64_t in_list = 0;
    for (std::size_t at = 0; at < bytes && next <= positions + limit; at += 64) {
        const char* const block = record + at;
        const std::uint64_t valid = low_bits(bytes - at);
        if ((equal_64(block, '\\') & valid) != 0) {
            return kScanFailed;
        }
        const std::uint64_t strings = prefix_xor(equal_64(block, '"') & valid) ^ in_string;
        const std::uint64_t brackets =
            (equal_64(block, '[') | equal_64(block, ']')) & valid & ~strings;
        const std::uint64_t lists = prefix_xor(brackets) ^ in_list;
        next = write_positions(equal_64(block, ',') & valid & ~strings & ~lists,
                               static_cast<std::uint32_t>(at), next);
        in_string = 0 - (strings >> 63);
        in_list = 0 - (lists >> 63);
    }
    return static_cast<std::size_t>(next - positions);
}

}  // namespace millrace::operators
