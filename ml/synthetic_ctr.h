// The seeded stream of ad impressions with a known best log loss, for tests, benchmarks, demo.
//
// 20 categorical fields with Zipf-like values (exponent 1.1), clicks from a logistic model with two
// interactions that a linear model cannot see. Seed 1, first 1,000,000 rows: 90,247 clicks, log
// loss of the true probabilities .20583. With drift the weights move while the stream goes on.
//
//   U   = next draw of mt19937_64 * 2^-64                     20 draws for the fields, then 1
//   (label) x   = (((C + 1)^-0.1 - 1) U + 1)^-10;  k = clamp(int(x) - 1, 0, C - 1) z   = -3.2 +
//   sum_f 0.45 gauss(2 key + 1) + two interactions,  key = f 2^32 + k p   = 1/(1 + e^-z);  y = U <
//   p
//
// Threads:    one owner.
// Limits:     none; a stream has no end.
// Failure:    none.

#pragma once

#include <array>
#include <cstdint>
#include <random>

namespace millrace::ml {

class SyntheticCtrStream {
  public:
    static constexpr std::uint32_t kFields = 20;

    struct Event {
        std::array<std::uint32_t, kFields> fields{};
        double z = 0;  // The true logit.
        double p = 0;  // The true probability.
        bool click = false;
    };

    // `drift` is how far weights move over `drift_rows` rows, in units of their deviation.
    // REQUIRES: drift_rows > 0.
    explicit SyntheticCtrStream(std::uint64_t seed, double drift = 0,
                                std::uint64_t drift_rows = 1'000'000);

    Event next();
    // Leaves out `events` events, at about 0.1 us each.
    void skip(std::uint64_t events);
    // Events given or skipped.
    [[nodiscard]] std::uint64_t position() const { return position_; }

    // The slot of a value in a table of 2^bits cells, as reference figures use it.
    [[nodiscard]] static std::uint32_t slot(std::uint32_t field, std::uint32_t value,
                                            unsigned bits);

    // Parts of the definition, for checks.
    [[nodiscard]] static std::uint64_t mix(std::uint64_t a);
    [[nodiscard]] static float gauss(std::uint64_t a);

  private:
    double draw();
    [[nodiscard]] double logit(const std::array<std::uint32_t, kFields>& fields) const;

    std::mt19937_64 random_;
    const double drift_;
    const double drift_rows_;
    std::array<double, kFields> spread_{};  // (C + 1)^-0.1 - 1
    std::uint64_t position_ = 0;
};

}  // namespace millrace::ml
