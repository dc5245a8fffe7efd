#include "ml/synthetic_ctr.h"

#include <algorithm>
#include <cmath>

#include "ml/fixed_math.h"
#include "runtime/base/check.h"

namespace millrace::ml {
namespace {

constexpr std::array<std::uint32_t, SyntheticCtrStream::kFields> kCardinalities{
    2,    4,    7,     12,    24,    50,     100,    200,    500, 1000,
    2000, 5000, 10000, 20000, 50000, 100000, 200000, 300000, 30,  300};
constexpr double kDeviation = 0.45;
constexpr double kInteraction = 0.35;
constexpr double kPi = 0x1.921fb54442d18p1;

std::uint64_t key_of(std::uint32_t field, std::uint32_t value) {
    return (static_cast<std::uint64_t>(field) << 32) + value;
}

double unit(std::uint64_t a) { return (static_cast<double>(a >> 11) + 0.5) * 0x1p-53; }

// cos(2 pi u), 0 <= u <= 1, by the Taylor series of the nearest eighth.
double cos_of_turns(double u) {
    const double quarters = std::floor(u * 4 + 0.5);
    const double r = (u - quarters * 0.25) * (2 * kPi);  // |r| <= pi / 4
    const double q = r * r;
    const double cosine =
        1 - q / 2 * (1 - q / 12 * (1 - q / 30 * (1 - q / 56 * (1 - q / 90 * (1 - q / 132)))));
    const double sine =
        r *
        (1 - q / 6 * (1 - q / 20 * (1 - q / 42 * (1 - q / 72 * (1 - q / 110 * (1 - q / 156))))));
    switch (static_cast<int>(quarters) & 3) {
        case 0:
            return cosine;
        case 1:
            return -sine;
        case 2:
            return -cosine;
        default:
            return sine;
    }
}

}  // namespace

SyntheticCtrStream::SyntheticCtrStream(std::uint64_t seed, double drift, std::uint64_t drift_rows)
    : random_(seed), drift_(drift), drift_rows_(static_cast<double>(drift_rows)) {
    MILLRACE_CHECK_GT(drift_rows, 0U);
    for (std::uint32_t f = 0; f < kFields; ++f) {
        spread_[f] = fixed_exp(-0.1 * fixed_log(static_cast<double>(kCardinalities[f]) + 1)) - 1;
    }
}

std::uint64_t SyntheticCtrStream::mix(std::uint64_t a) {
    a ^= a >> 33;
    a *= 0xff51afd7ed558ccdULL;
    a ^= a >> 33;
    a *= 0xc4ceb9fe1a85ec53ULL;
    return a ^ (a >> 33);
}

float SyntheticCtrStream::gauss(std::uint64_t a) {
    const double radius = std::sqrt(-2 * fixed_log(unit(mix(a))));
    return static_cast<float>(radius * cos_of_turns(unit(mix(a ^ 0x9e3779b97f4a7c15ULL))));
}

std::uint32_t SyntheticCtrStream::slot(std::uint32_t field, std::uint32_t value, unsigned bits) {
    const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
    return static_cast<std::uint32_t>(mix(key_of(field, value) + 12345) & mask);
}

double SyntheticCtrStream::draw() {
    const double u = static_cast<double>(random_()) * 0x1p-64;
    return u < 1 ? u : 0x1.fffffffffffffp-1;
}

double SyntheticCtrStream::logit(const std::array<std::uint32_t, kFields>& fields) const {
    double z = -3.2;
    const double moved = drift_ * kDeviation * static_cast<double>(position_) / drift_rows_;
    for (std::uint32_t f = 0; f < kFields; ++f) {
        const std::uint64_t key = key_of(f, fields[f]);
        z += kDeviation * static_cast<double>(gauss(2 * key + 1));
        if (moved != 0) z += moved * static_cast<double>(gauss(2 * key + 1 + 777777));
    }
    const auto interaction = [](std::uint64_t base, std::uint64_t a, std::uint64_t b) {
        return kInteraction * static_cast<double>(gauss(base * 1000003 + 131071 * a + b));
    };
    z += interaction(0xabcdef, fields[3], fields[6]);
    return z + interaction(0x1234567, fields[5], fields[8]);
}

SyntheticCtrStream::Event SyntheticCtrStream::next() {
    Event event;
    for (std::uint32_t f = 0; f < kFields; ++f) {
        const double base = spread_[f] * draw() + 1;
        const double base2 = base * base;
        const double base4 = base2 * base2;
        const double x = 1 / (base4 * base4 * base2);
        const auto k = static_cast<std::int64_t>(x) - 1;
        event.fields[f] = static_cast<std::uint32_t>(
            std::clamp<std::int64_t>(k, 0, static_cast<std::int64_t>(kCardinalities[f]) - 1));
    }
    event.z = logit(event.fields);
    event.p = 1 / (1 + fixed_exp(-event.z));
    event.click = draw() < event.p;
    ++position_;
    return event;
}

void SyntheticCtrStream::skip(std::uint64_t events) {
    random_.discard(events * (kFields + 1));
    position_ += events;
}

}  // namespace millrace::ml
