#include "operators/format/json_number.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

namespace millrace::operators {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A number's parts, as the grammar names them.
struct Parts {
    bool is_negative = false;
    bool has_fraction_or_exponent = false;
    std::uint64_t digits = 0;         // All of them as one integer; wraps beyond 19.
    std::int64_t digit_count = 0;     // Without leading zeros.
    std::int64_t fraction_count = 0;  // Digits behind the point.
    std::int64_t exponent = 0;        // As written, saturated.
};

constexpr std::int64_t kExponentMax = 1'000'000;

const char* read_digits(const char* at, const char* end, Parts& parts) {
    for (; at != end && is_digit(*at); ++at) {
        parts.digits = parts.digits * 10 + static_cast<std::uint64_t>(*at - '0');
        if (parts.digit_count > 0 || *at != '0') ++parts.digit_count;
    }
    return at;
}

const char* read_exponent(const char* at, const char* end, Parts& parts) {
    bool is_negative = false;
    if (at != end && (*at == '-' || *at == '+')) {
        is_negative = *at == '-';
        ++at;
    }
    if (at == end || !is_digit(*at)) {
        return nullptr;
    }
    for (; at != end && is_digit(*at); ++at) {
        if (parts.exponent < kExponentMax) parts.exponent = parts.exponent * 10 + (*at - '0');
    }
    if (is_negative) parts.exponent = -parts.exponent;
    return at;
}

// False when [at, end) is not a JSON number.
bool read_parts(const char* at, const char* end, Parts& parts) {
    if (at != end && *at == '-') {
        parts.is_negative = true;
        ++at;
    }
    if (at == end || !is_digit(*at)) {
        return false;
    }
    if (*at == '0') {
        ++at;  // A leading zero stands alone.
    } else {
        at = read_digits(at, end, parts);
    }
    if (at != end && *at == '.') {
        parts.has_fraction_or_exponent = true;
        const char* const first = ++at;
        at = read_digits(at, end, parts);
        parts.fraction_count = at - first;
        if (parts.fraction_count == 0) {
            return false;
        }
    }
    if (at != end && (*at == 'e' || *at == 'E')) {
        parts.has_fraction_or_exponent = true;
        at = read_exponent(at + 1, end, parts);
    }
    return at == end;
}

constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

}  // namespace

Number parse_int64(const char* begin, const char* end, std::int64_t& value) {
    Parts parts;
    if (!read_parts(begin, end, parts)) {
        return Number::kMalformed;
    }
    if (parts.has_fraction_or_exponent) {
        return Number::kNotInteger;
    }
    const std::uint64_t limit =
        static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) +
        (parts.is_negative ? 1 : 0);
    if (parts.digit_count > 19 || parts.digits > limit) {
        return Number::kOutOfRange;
    }
    value = static_cast<std::int64_t>(parts.is_negative ? 0 - parts.digits : parts.digits);
    return Number::kFits;
}

Number parse_int32(const char* begin, const char* end, std::int32_t& value) {
    std::int64_t wide = 0;
    const Number number = parse_int64(begin, end, wide);
    if (number != Number::kFits) {
        return number;
    }
    value = static_cast<std::int32_t>(wide);
    return value == wide ? Number::kFits : Number::kOutOfRange;
}

Number parse_float64(const char* begin, const char* end, double& value) {
    Parts parts;
    if (!read_parts(begin, end, parts)) {
        return Number::kMalformed;
    }
    const std::int64_t exponent = parts.exponent - parts.fraction_count;
    constexpr std::uint64_t kExactMax = std::uint64_t{1} << 53;
    if (parts.digit_count <= 19 && parts.digits <= kExactMax && exponent >= -22 && exponent <= 22) {
        // Both factors are exact, so that the one rounding is the right one (Clinger 1990).
        const auto digits = static_cast<double>(parts.digits);
        const double magnitude =
            exponent < 0 ? digits / kPowersOfTen[-exponent] : digits * kPowersOfTen[exponent];
        value = parts.is_negative ? -magnitude : magnitude;
        return Number::kFits;
    }
    const auto read = std::from_chars(begin, end, value);
    if (read.ec == std::errc::result_out_of_range) {
        if (parts.digit_count > 0 && exponent + parts.digit_count > 0) {
            return Number::kOutOfRange;
        }
        value = parts.is_negative ? -0.0 : 0.0;
    }
    return std::isinf(value) ? Number::kOutOfRange : Number::kFits;
}

Number parse_float32(const char* begin, const char* end, float& value) {
    double wide = 0;
    const Number number = parse_float64(begin, end, wide);
    if (number != Number::kFits) {
        return number;
    }
    value = static_cast<float>(wide);
    return std::isinf(value) ? Number::kOutOfRange : Number::kFits;
}

}  // namespace millrace::operators
