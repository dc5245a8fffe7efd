// Writes the numbers that most fields hold, inline: integers of digits alone.
//
// Threads:    one.
// Limits:     reads up to 8 bytes beyond the token, which must be readable.
// Failure:    false for everything else, sound or not; see column_writer.h.

#pragma once

#include <cstddef>
#include <cstdint>

#include "operators/format/json_number.h"
#include "runtime/data/batch_builder.h"

namespace millrace::operators {

// Up to 8 digits, so that every integer type can hold them. Does not mark the value as present.
template <class T>
[[gnu::always_inline]] inline bool write_up_to_8_digits(data::BatchBuilder& builder,
                                                        std::size_t column, const char* begin,
                                                        std::size_t bytes) {
    if (bytes > 8) [[unlikely]] {
        return false;
    }
    std::uint64_t bad = 0;
    const std::uint64_t value = digits_value(begin, bytes, bad);
    bad |= static_cast<std::uint64_t>(*begin == '0') & static_cast<std::uint64_t>(bytes > 1);
    builder.fixed_values<T>(column)[builder.rows()] = static_cast<T>(value);
    return bad == 0;
}

// 9 to 16 digits: timestamps and ids.
[[gnu::always_inline]] inline bool write_up_to_16_digits(data::BatchBuilder& builder,
                                                         std::size_t column, const char* begin,
                                                         std::size_t bytes) {
    if (bytes > 16 || bytes < 9 || *begin == '0') [[unlikely]] {
        return false;
    }
    std::uint64_t bad = 0;
    const std::uint64_t high = digits_value(begin, bytes - 8, bad);
    const std::uint64_t low = digits_value(begin + bytes - 8, 8, bad);
    builder.fixed_values<std::int64_t>(column)[builder.rows()] =
        static_cast<std::int64_t>(high * 100'000'000 + low);
    return bad == 0;
}

// For a column of any type that is no list.
[[gnu::always_inline]] inline bool write_plain_number(data::BatchBuilder& builder,
                                                      std::size_t column, data::Kind kind,
                                                      const char* begin, std::size_t bytes) {
    switch (kind) {
        case data::Kind::kInt32:
            return write_up_to_8_digits<std::int32_t>(builder, column, begin, bytes);
        case data::Kind::kInt64:
        case data::Kind::kTimestampMs:
            return write_up_to_8_digits<std::int64_t>(builder, column, begin, bytes) ||
                   write_up_to_16_digits(builder, column, begin, bytes);
        default:
            return false;
    }
}

}  // namespace millrace::operators
