// Copies the inside of a JSON string that needs no more than copying: no escape, no quote, no
// control character.
//
// Threads:    any.
// Limits:     reads and writes up to 16 bytes beyond the text, which must be there.
// Failure:    says what stands in the text; what was written is of no use then.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace::operators {

enum class TextContent : std::uint8_t {
    kAscii,     // Copied.
    kNotAscii,  // Copied, if it is UTF-8 and nothing of the next.
    kSpecial,   // An escape, a quote or a control character is in it.
};

[[nodiscard]] inline bool is_special(char c) {
    return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20;
}

inline TextContent scan_bytes(const char* from, std::size_t bytes) {
    auto content = TextContent::kAscii;
    for (std::size_t i = 0; i < bytes; ++i) {
        if (is_special(from[i])) return TextContent::kSpecial;
        if (static_cast<signed char>(from[i]) < 0) content = TextContent::kNotAscii;
    }
    return content;
}

inline TextContent copy_plain_text(const char* from, std::size_t bytes, char* to) {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(' ');
    for (std::size_t at = 0; at < bytes; at += 16) {
        const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + at));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + at), block);
        // Signed: bytes from 0x80 on are below the space, too.
        const __m128i odd = _mm_or_si128(
            _mm_cmplt_epi8(block, space),
            _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash)));
        auto mask = static_cast<std::uint32_t>(_mm_movemask_epi8(odd));
        if (bytes - at < 16) mask &= (1U << (bytes - at)) - 1;
        if (mask != 0) {
            std::memcpy(to, from, bytes);
            return scan_bytes(from, bytes);
        }
    }
    return TextContent::kAscii;
#else
    std::memcpy(to, from, bytes);
    return scan_bytes(from, bytes);
#endif
}

}  // namespace millrace::operators
