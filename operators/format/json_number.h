// Reads JSON numbers out of a token whose end is known: strictly by the grammar of RFC 8259, eight
// digits at a time where it can.
//
// Both parsers of the JSON decoder read numbers with these functions, so that they agree on each.
//
// Threads:    any.
// Limits:     reads up to 8 bytes beyond the token's end, which must be readable.
// Failure:    Number says which of three ways it went wrong.

#pragma once

#include <cstdint>
#include <cstring>

namespace millrace::operators {

enum class Number : std::uint8_t {
    kFits,
    kMalformed,   // Not a JSON number.
    kNotInteger,  // A JSON number with a fraction or an exponent, where an integer is wanted.
    kOutOfRange,
};

// The token is [begin, end).
Number parse_int64(const char* begin, const char* end, std::int64_t& value);
Number parse_int32(const char* begin, const char* end, std::int32_t& value);
// Correctly rounded. Too small becomes zero, too large is out of range.
Number parse_float64(const char* begin, const char* end, double& value);
// Rounds the float64.
Number parse_float32(const char* begin, const char* end, float& value);

[[nodiscard]] inline std::uint64_t load_word(const char* at) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
}

// The value of 1 to 8 digits; sets bits of `bad` when one of them is no digit.
[[nodiscard]] inline std::uint64_t digits_value(const char* at, std::uint64_t count,
                                                std::uint64_t& bad) {
    // The digits move to the top bytes, zeros fill up in front of them.
    const std::uint64_t shift = 64 - 8 * count;
    const std::uint64_t mask = ~0ULL << shift;
    std::uint64_t word = load_word(at) << shift;
    bad |= (word & 0xf0f0f0f0f0f0f0f0ULL) ^ (0x3030303030303030ULL & mask);
    bad |= (word + (0x0606060606060606ULL & mask)) & 0xc0c0c0c0c0c0c0c0ULL & mask;
    word = ((word & 0x0f0f0f0f0f0f0f0fULL) * 2561) >> 8;
    word = ((word & 0x00ff00ff00ff00ffULL) * 6553601) >> 16;
    return ((word & 0x0000ffff0000ffffULL) * 42949672960001ULL) >> 32;
}

}  // namespace millrace::operators
