// Reads and prints values that carry their unit: 500ms, 64MiB, 25%, 5000/s, 10000rows, 1s..60s.
//
// A bare number where a unit belongs is refused with the likely spellings, and so are units of
// other systems. Printing gives the shortest exact form, which reads back as the same value.
//
// Threads:    any.
// Limits:     values that do not fit into 64 bits are refused.
// Failure:    UnitFault, with what to write instead.

#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace millrace::config {

struct UnitFault {
    bool needs_unit = false;  // It is a bare number.
    std::string message;      // Continues "`path` ...": "is a time and needs a unit".
    std::string fix;
};

template <class T>
using UnitResult = std::expected<T, UnitFault>;

struct DurationRange {
    std::int64_t min_ms = 0;
    std::int64_t max_ms = 0;
};

[[nodiscard]] UnitResult<std::int64_t> parse_duration_ms(std::string_view text);
[[nodiscard]] UnitResult<std::int64_t> parse_size_bytes(std::string_view text);
[[nodiscard]] UnitResult<double> parse_share(std::string_view text);  // 25% is 0.25.
[[nodiscard]] UnitResult<double> parse_rate(std::string_view text);   // A second.
[[nodiscard]] UnitResult<std::int64_t> parse_rows(std::string_view text);
[[nodiscard]] UnitResult<DurationRange> parse_duration_range(std::string_view text);
// 2026-01-02T03:04:05Z or with milliseconds, in UTC; since 1970.
[[nodiscard]] UnitResult<std::int64_t> parse_instant_ms(std::string_view text);

[[nodiscard]] std::string print_duration(std::int64_t ms);
[[nodiscard]] std::string print_size(std::int64_t bytes);
[[nodiscard]] std::string print_share(double share);
[[nodiscard]] std::string print_rate(double per_second);
[[nodiscard]] std::string print_rows(std::int64_t rows);
[[nodiscard]] std::string print_duration_range(DurationRange range);
[[nodiscard]] std::string print_instant(std::int64_t ms);
// The shortest text that reads back as the same double.
[[nodiscard]] std::string print_number(double value);

}  // namespace millrace::config
