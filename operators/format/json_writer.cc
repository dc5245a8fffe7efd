#include "operators/format/json_writer.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdio>

#include <simdjson.h>

#include "operators/format/base64.h"
#include "operators/format/padded_record.h"
#include "operators/format/plain_text.h"

namespace millrace::operators {
namespace {

// The 8 digits of a number below 10^8 as the bytes of a word, the first digit lowest. In a
// register, since a load of bytes that were just stored one by one would wait for them.
inline std::uint64_t digits_word(std::uint32_t value) {
    // Two groups of 4 digits, then four of 2, then eight of 1; 10486 / 2^20 is 1/100 for them,
    // 103 / 2^10 is 1/10.
    const std::uint64_t fours = value / 10'000 | std::uint64_t{value % 10'000} << 32;
    const std::uint64_t hundreds = (fours * 10'486 >> 20) & 0x0000007f0000007fULL;
    const std::uint64_t twos = hundreds | (fours - 100 * hundreds) << 16;
    const std::uint64_t tens = (twos * 103 >> 10) & 0x000f000f000f000fULL;
    const std::uint64_t ones = tens | (twos - 10 * tens) << 8;
    return ones | 0x3030303030303030ULL;
}

// Writes a number below 10^8 without leading zeros; scribbles over 8 bytes. Returns its end.
inline char* write_small(std::uint32_t value, char* to) {
    const std::uint64_t word = digits_word(value);
    const std::uint64_t nonzero = word ^ 0x3030303030303030ULL;
    const int zeros = nonzero == 0 ? 7 : std::countr_zero(nonzero) / 8;
    const std::uint64_t shifted = word >> 8 * zeros;
    std::memcpy(to, &shifted, sizeof shifted);
    return to + 8 - zeros;
}

// Writes the last `digits` of the digits of a number below 10^9, zeros in front; 1 <= digits <= 11.
// Scribbles over 16 bytes. Returns the end.
inline char* write_padded(std::uint64_t value, std::uint32_t digits, char* to) {
    const std::uint64_t low = digits_word(static_cast<std::uint32_t>(value % 100'000'000));
    if (digits <= 8) {
        const std::uint64_t shifted = low >> 8 * (8 - digits);
        std::memcpy(to, &shifted, sizeof shifted);
        return to + digits;
    }
    const auto first = static_cast<std::uint32_t>(value / 100'000'000);
    const std::uint32_t high = (0x30303030U + (first << 24)) >> 8 * (12 - digits);
    std::memcpy(to, &high, sizeof high);
    std::memcpy(to + digits - 8, &low, sizeof low);
    return to + digits;
}

// Writes the shortest decimal of a float from .001 to below 1, as scores are. Returns its end; null
// for the few that this does not handle.
//
// value = significand / 2^shift, and every decimal closer to it than half a unit of its last place
// reads back to it. In units of 10^-(9 + zeros), where `zeros` stand between the point and the
// first digit, that interval lies between two integers; dropping digits while a multiple of ten is
// left in it gives the fewest. No end of the interval is a decimal of so few digits, so that it
// does not matter whether the ends belong to it.
char* write_score(float value, char* to) {
    if (!(value >= 0.001F && value < 1.0F)) {
        return nullptr;
    }
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint64_t significand = (bits & 0x7fffffU) | 0x800000U;
    if (significand == 0x800000U) {
        return nullptr;  // A power of two: the interval is not symmetric.
    }
    const std::uint32_t shift = 150 - (bits >> 23);
    const std::uint32_t zeros = value >= 0.1F ? 0 : value >= 0.01F ? 1 : 2;
    constexpr std::uint64_t kUnits[] = {1'000'000'000, 10'000'000'000, 100'000'000'000};
    // Everything times 2^(shift + 1), so that half a unit in the last place is an integer: 62 bits.
    const std::uint64_t half = kUnits[zeros];
    const std::uint64_t middle = 2 * significand * half;
    std::uint64_t low = ((middle - half) >> (shift + 1)) + 1;
    std::uint64_t high = (middle + half) >> (shift + 1);
    std::uint64_t unit = 1;
    std::uint32_t digits = 9 + zeros;
    while (high / 10 * 10 >= low) {
        low = (low + 9) / 10;
        high /= 10;
        unit *= 10;
        --digits;
    }
    const std::uint64_t nearest = (middle / unit + (std::uint64_t{1} << shift)) >> (shift + 1);
    const std::uint64_t decimal = std::clamp(nearest, low, high);
    std::memcpy(to, "0.", 2);
    return write_padded(decimal, digits, to + 2);
}

// The length of the UTF-8 sequence that begins `text`; 0 when none does.
std::size_t sequence_bytes(std::string_view text) {
    for (std::size_t bytes = 1; bytes <= 4 && bytes <= text.size(); ++bytes) {
        if (simdjson::validate_utf8(text.data(), bytes)) return bytes;
    }
    return 0;
}

}  // namespace

void JsonWriter::write_integer(std::int64_t value) {
    if (!has_room(kNumberBytesMax)) {
        return;
    }
    constexpr std::uint64_t kEightDigits = 100'000'000;
    const auto magnitude = static_cast<std::uint64_t>(value);  // Huge when negative.
    if (magnitude < kEightDigits) {
        at_ = write_small(static_cast<std::uint32_t>(magnitude), at_);
    } else if (magnitude < kEightDigits * kEightDigits) {
        at_ = write_small(static_cast<std::uint32_t>(magnitude / kEightDigits), at_);
        const std::uint64_t low = digits_word(static_cast<std::uint32_t>(magnitude % kEightDigits));
        std::memcpy(at_, &low, sizeof low);
        at_ += sizeof low;
    } else {
        at_ = std::to_chars(at_, end_, value).ptr;
    }
}

void JsonWriter::write_float(float value) {
    if (!std::isfinite(value)) {
        write_literal("null");
    } else if (has_room(kNumberBytesMax)) {
        char* const end = write_score(value, at_);
        at_ = end != nullptr ? end : std::to_chars(at_, end_, value).ptr;
    }
}

void JsonWriter::write_double(double value) {
    if (!std::isfinite(value)) {
        write_literal("null");
    } else if (has_room(kNumberBytesMax)) {
        at_ = std::to_chars(at_, end_, value).ptr;
    }
}

void JsonWriter::write_bytes(std::string_view bytes) {
    const std::size_t length = base64_bytes(bytes.size());
    if (has_room(length + 2)) {
        *at_++ = '"';
        encode_base64(bytes, at_);
        at_ += length;
        *at_++ = '"';
    }
}

void JsonWriter::write_string(std::string_view text) {
    // The fast copy works in blocks of 16.
    if (static_cast<std::size_t>(end_ - at_) >= text.size() + 18 && !text.empty() &&
        PaddedRecord::may_read_beyond(text)) [[likely]] {
        const TextContent content = copy_plain_text(text.data(), text.size(), at_ + 1);
        if (content == TextContent::kAscii ||
            (content == TextContent::kNotAscii && simdjson::validate_utf8(text))) [[likely]] {
            *at_ = '"';
            at_ += text.size() + 1;
            *at_++ = '"';
            return;
        }
    }
    write_literal("\"");
    write_escaped(text);
    write_literal("\"");
}

void JsonWriter::write_escaped(std::string_view text) {
    constexpr std::string_view kEscapable = "\"\\\b\f\n\r\t";
    constexpr std::string_view kEscapes = "\"\\bfnrt";
    while (!text.empty() && !is_full_) {
        const char c = text.front();
        std::size_t bytes = 1;
        if (const std::size_t escape = kEscapable.find(c); escape != std::string_view::npos) {
            const char pair[] = {'\\', kEscapes[escape]};
            write_literal({pair, 2});
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char code[8];
            std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
            write_literal(code);
        } else if (bytes = sequence_bytes(text); bytes > 0) {
            write_literal(text.substr(0, bytes));
        } else {
            bytes = 1;
            write_literal("\xef\xbf\xbd");
        }
        text.remove_prefix(bytes);
    }
}

}  // namespace millrace::operators
