// The seeded generator of the product: small, fast, the same numbers on every machine.
//
// SplitMix64 (Steele, Lea, Flood 2014). Not for secrets.
//
// Threads:    one owner.
// Failure:    none.

#pragma once

#include <cstdint>

namespace millrace {

class Random {
  public:
    __extension__ using Wide = unsigned __int128;

    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31);
    }
    // Uniform in [0, bound). REQUIRES: bound > 0. The bias is below bound / 2^64.
    std::uint64_t below(std::uint64_t bound) {
        return static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
    }
    // Uniform in [0, 1).
    double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }

  private:
    std::uint64_t state_;
};

}  // namespace millrace
