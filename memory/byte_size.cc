#include "memory/byte_size.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "runtime/base/random.h"

namespace millrace::memory {
namespace {

using Wide = Random::Wide;
constexpr auto kBytesMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
constexpr std::string_view kSizeHint =
    "Hint: write a whole number and a unit, for example 1728m, 64mb, 64MiB, 2g or 4096 (bytes).";

std::string trimmed_lower(std::string_view text) {
    const auto is_space = [](unsigned char c) { return std::isspace(c) != 0; };
    while (!text.empty() && is_space(static_cast<unsigned char>(text.front()))) {
        text.remove_prefix(1);
    }
    while (!text.empty() && is_space(static_cast<unsigned char>(text.back()))) {
        text.remove_suffix(1);
    }
    std::string lower(text);
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return lower;
}

// The power of two of a unit; -1 for an unknown one.
int unit_shift(std::string_view unit) {
    static constexpr std::array<std::array<std::string_view, 4>, 5> kUnits{{
        {"", "b", "bytes", "byte"},
        {"k", "kb", "kib", "kibibytes"},
        {"m", "mb", "mib", "mebibytes"},
        {"g", "gb", "gib", "gibibytes"},
        {"t", "tb", "tib", "tebibytes"},
    }};
    for (std::size_t i = 0; i < kUnits.size(); ++i) {
        if (std::ranges::find(kUnits[i], unit) != kUnits[i].end()) return static_cast<int>(10 * i);
    }
    return -1;
}

constexpr std::uint64_t power_of_ten(int exponent) {
    std::uint64_t power = 1;
    for (int i = 0; i < exponent; ++i) power *= 10;
    return power;
}

enum class Rounding : unsigned char { kDown, kNearest };

// bytes / 2^shift in units of 10^-decimals.
std::uint64_t scaled(std::uint64_t bytes, int shift, int decimals, Rounding rounding) {
    const Wide half = rounding == Rounding::kNearest ? (Wide{1} << shift) >> 1 : Wide{0};
    return static_cast<std::uint64_t>((Wide{bytes} * power_of_ten(decimals) + half) >> shift);
}

// `units` of 10^-decimals as a decimal number, trailing zeros cut.
std::string decimal_text(std::uint64_t units, int decimals) {
    const std::uint64_t one = power_of_ten(decimals);
    std::string text = fmt::format("{}.{:0{}}", units / one, units % one, decimals);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
}

std::string in_largest_unit(std::uint64_t bytes, Rounding rounding) {
    static constexpr std::array<std::string_view, 4> kUnits{"KiB", "MiB", "GiB", "TiB"};
    constexpr int kDecimals = 2;
    if (bytes < 1024) return fmt::format("{} bytes", bytes);
    std::size_t unit = 0;
    std::uint64_t hundredths = scaled(bytes, 10, kDecimals, rounding);
    while (unit + 1 < kUnits.size() && hundredths >= 1024 * power_of_ten(kDecimals)) {
        ++unit;
        hundredths = scaled(bytes, static_cast<int>(10 * (unit + 1)), kDecimals, rounding);
    }
    return fmt::format("{} {}", decimal_text(hundredths, kDecimals), kUnits[unit]);
}

}  // namespace

Result<std::uint64_t> parse_bytes(std::string_view text) {
    const std::string clean = trimmed_lower(text);
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(clean.data(), clean.data() + clean.size(), number);
    if (error == std::errc::result_out_of_range) {
        return fail(Code::kInvalidArgument, "size is too large: '{}'. {}", text, kSizeHint);
    }
    if (error != std::errc{}) {
        return fail(Code::kInvalidArgument, "not a size: '{}'. {}", text, kSizeHint);
    }
    const int shift = unit_shift(trimmed_lower(std::string_view(end, clean.data() + clean.size())));
    if (shift < 0) return fail(Code::kInvalidArgument, "not a size: '{}'. {}", text, kSizeHint);
    if (number > (kBytesMax >> shift)) {
        return fail(Code::kInvalidArgument, "size is too large: '{}'. {}", text, kSizeHint);
    }
    return number << shift;
}

std::string format_bytes(std::uint64_t bytes) { return in_largest_unit(bytes, Rounding::kDown); }

std::string format_rounded(std::uint64_t bytes) {
    return in_largest_unit(bytes, Rounding::kNearest);
}

std::string format_mib(std::uint64_t bytes) {
    constexpr int kDecimals = 5;
    return decimal_text(scaled(bytes, 20, kDecimals, Rounding::kNearest), kDecimals);
}

Result<DecimalFraction> DecimalFraction::parse(std::string_view text) {
    const auto refused = [&] {
        return fail(Code::kInvalidArgument,
                    "not a fraction: '{}'. Hint: write a decimal from 0 to below 1, for example "
                    "0.4, with at most 18 decimals.",
                    text);
    };
    std::string clean = trimmed_lower(text);
    if (clean.starts_with('.')) clean.insert(0, "0");
    if (clean == "0") return DecimalFraction(0, 1);
    if (!clean.starts_with("0.") || clean.size() < 3 || clean.size() > 20) return refused();
    std::uint64_t numerator = 0;
    std::uint64_t denominator = 1;
    for (const char c : std::string_view(clean).substr(2)) {
        if (c < '0' || c > '9') return refused();
        numerator = numerator * 10 + static_cast<std::uint64_t>(c - '0');
        denominator *= 10;
    }
    return DecimalFraction(numerator, denominator);
}

std::uint64_t DecimalFraction::of(std::uint64_t bytes) const {
    return static_cast<std::uint64_t>(static_cast<Wide>(bytes) * numerator_ / denominator_);
}

std::uint64_t DecimalFraction::beside(std::uint64_t bytes) const {
    const Wide part = static_cast<Wide>(bytes) * numerator_ / (denominator_ - numerator_);
    return static_cast<std::uint64_t>(std::min(part, Wide{kBytesMax}));
}

std::string DecimalFraction::to_string() const {
    if (numerator_ == 0) return "0";
    std::string digits = fmt::format("{}", numerator_);
    const std::size_t decimals = fmt::format("{}", denominator_).size() - 1;
    digits.insert(0, decimals - digits.size(), '0');
    while (digits.back() == '0') digits.pop_back();
    return "0." + digits;
}

}  // namespace millrace::memory
