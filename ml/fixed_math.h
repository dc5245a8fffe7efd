// exp, log, log1p and the logistic function with the same bits on every machine.
//
// The C library picks its code by processor, so its last bits differ between machines; a model must
// not. These use only IEEE operations in a fixed order (compiled with -ffp-contract=off), and are
// accurate to about 2 units in the last place.
//
// Threads:    any.
// Failure:    none; the range of each argument is stated.

#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace millrace::ml {

constexpr double kLn2High = 0x1.62e42fefa38p-1;  // 42 bits: its product with any exponent is exact.
constexpr double kLn2Low = 0x1.ef35793c7673p-45;
// Adding this rounds a double of magnitude below 2^51 to an integer, held in the low bits.
constexpr double kRounder = 0x1.8p52;

// e^x. Below -708 gives 0, above 709 infinity, NaN for NaN.
inline double fixed_exp(double x) {
    if (!(x >= -708.0)) return x < -708.0 ? 0.0 : x;
    if (x > 709.0) return std::numeric_limits<double>::infinity();
    const double shifted = x * 0x1.71547652b82fep0 + kRounder;
    const double n = shifted - kRounder;
    const double r = (x - n * kLn2High) - n * kLn2Low;  // |r| <= ln(2) / 2
    const double r2 = r * r;
    const double r4 = r2 * r2;
    // Taylor to r^13 / 13!, in Estrin's order.
    const double low = (1.0 + r) + (0.5 + r * (1.0 / 6)) * r2;
    const double mid = (1.0 / 24 + r * (1.0 / 120)) + (1.0 / 720 + r * (1.0 / 5040)) * r2;
    const double high = (1.0 / 40320 + r * (1.0 / 362880)) +
                        (1.0 / 3628800 + r * (1.0 / 39916800)) * r2 +
                        (1.0 / 479001600 + r * (1.0 / 6227020800)) * r4;
    const double e = low + mid * r4 + high * (r4 * r4);
    const auto exponent = static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(shifted)) << 52;
    return std::bit_cast<double>(std::bit_cast<std::int64_t>(e) + exponent);
}

// ln x. REQUIRES: x is positive, finite and normal.
inline double fixed_log(double x) {
    auto bits = std::bit_cast<std::uint64_t>(x);
    // Puts the mantissa into [sqrt(1/2), sqrt(2)).
    const std::uint64_t shifted = bits - 0x3fe6a09e667f3bcdULL;
    const double k = static_cast<double>(static_cast<std::int64_t>(shifted) >> 52);
    bits = (shifted & 0x000fffffffffffffULL) + 0x3fe6a09e667f3bcdULL;
    const double m = std::bit_cast<double>(bits);
    // ln m = 2 atanh(f) = 2 f + 2 f^3/3 + 2 f^5/5 + ..., f = (m - 1)/(m + 1), |f| <= 0.1716
    const double d = m - 1.0;
    const double f = d / (m + 1.0);
    const double q = f * f;
    const double q2 = q * q;
    const double a = (2.0 / 3 + q * (2.0 / 5)) + (2.0 / 7 + q * (2.0 / 9)) * q2;
    const double b = (2.0 / 11 + q * (2.0 / 13)) + (2.0 / 15 + q * (2.0 / 17)) * q2;
    const double c = 2.0 / 19 + q * (2.0 / 21);
    const double series = a + b * (q2 * q2) + c * (q2 * q2) * (q2 * q2);
    // 2 f = d - f d, so that the largest term carries no error of the division.
    return k * kLn2High + (d - f * (d - q * series) + k * kLn2Low);
}

// ln(1 + x). REQUIRES: x > -1 and finite.
inline double fixed_log1p(double x) {
    const double u = 1.0 + x;
    if (u == 1.0) return x;
    // Kahan: the rounding error of u cancels in the quotient.
    return fixed_log(u) * (x / (u - 1.0));
}

// 1/(1 + e^-m), with the margin clipped to +-35.
inline double sigmoid(double margin) {
    const double clipped = margin < -35.0 ? -35.0 : (margin > 35.0 ? 35.0 : margin);
    return 1.0 / (1.0 + fixed_exp(-clipped));
}

}  // namespace millrace::ml
