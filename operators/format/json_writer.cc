#include "operators/format/json_writer.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#include <simdjson.h>

#include "operators/format/base64.h"
#include "operators/format/padded_record.h"
#include "operators/format/plain_text.h"

namespace millrace::operators {
namespace {

constexpr char kDigitPairs[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546"
    "4748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293"
    "94"
    "9596979899";

// Writes exactly 8 digits.
void write_8_digits(std::uint32_t value, char* to) {
    const std::uint32_t high = value / 10'000;
    const std::uint32_t low = value % 10'000;
    std::memcpy(to, kDigitPairs + high / 100 * 2, 2);
    std::memcpy(to + 2, kDigitPairs + high % 100 * 2, 2);
    std::memcpy(to + 4, kDigitPairs + low / 100 * 2, 2);
    std::memcpy(to + 6, kDigitPairs + low % 100 * 2, 2);
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
    constexpr std::int64_t kEightDigits = 100'000'000;
    if (value >= kEightDigits && value < kEightDigits * kEightDigits) {
        at_ = std::to_chars(at_, end_, value / kEightDigits).ptr;
        write_8_digits(static_cast<std::uint32_t>(value % kEightDigits), at_);
        at_ += 8;
        return;
    }
    at_ = std::to_chars(at_, end_, value).ptr;
}

void JsonWriter::write_float(float value) {
    if (!std::isfinite(value)) {
        write_literal("null");
    } else if (has_room(kNumberBytesMax)) {
        at_ = std::to_chars(at_, end_, value).ptr;
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
