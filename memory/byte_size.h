// Reads sizes and fractions as they stand in configuration files, without rounding, and writes them
// for people.
//
// Sizes are binary: 1728m, 64mb, 64MiB, 1g, 4096 (bytes). Fractions are exact decimals, so that
// 0.4 of a size is what a person computes by hand, not what a 32-bit float makes of it.
//
// Threads:    values.
// Ownership:  none.
// Limits:     sizes below 2^63 bytes; fractions in [0, 1) with at most 18 decimals.
// Failure:    kInvalidArgument with what was read and the forms that are understood.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace millrace::memory {

Result<std::uint64_t> parse_bytes(std::string_view text);

// The size in its largest unit with at most two decimals, rounded down, so that what is free is
// never less than what is said: "48 MiB", "39.99 MiB" for a byte less than 40.
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);
// The same, rounded to the nearest: for what fractions gave, which was rounded down to bytes.
[[nodiscard]] std::string format_rounded(std::uint64_t bytes);
// The size in MiB, rounded to five decimals, with which pages of 32 KiB are exact: "179.1875".
[[nodiscard]] std::string format_mib(std::uint64_t bytes);

// numerator / denominator, a power of ten.
class DecimalFraction {
  public:
    // REQUIRES: numerator < denominator <= 10^18.
    constexpr DecimalFraction(std::uint64_t numerator, std::uint64_t denominator)
        : numerator_(numerator), denominator_(denominator) {}
    static Result<DecimalFraction> parse(std::string_view text);

    // bytes * f, rounded down.
    [[nodiscard]] std::uint64_t of(std::uint64_t bytes) const;
    // bytes * f / (1 - f), rounded down, at most 2^63 - 1: the part of a whole whose rest is
    // `bytes`.
    [[nodiscard]] std::uint64_t beside(std::uint64_t bytes) const;
    // For example "0.4".
    [[nodiscard]] std::string to_string() const;

  private:
    std::uint64_t numerator_;
    std::uint64_t denominator_;
};

}  // namespace millrace::memory
