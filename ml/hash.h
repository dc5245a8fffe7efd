// Names every feature by 64 bits: XXH3 of its value, seeded by its column.
//
// A column's seed is XXH3(name, job's seed). Values of all integer types are hashed as 8 little
// endian bytes, so that int32 5 and int64 5 are one feature; real numbers that are whole numbers
// join them. All 64 bits are kept through crosses; slot_of() masks at the very end.
//
// Threads:    any.
// Failure:    none.

#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string_view>

namespace millrace::ml {

// XXH3 with a seed. The seed of a column is hash_bytes(name, job's seed).
[[nodiscard]] std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed);

// hash_bytes() of the 8 little endian bytes of `value`, with what depends on the seed alone worked
// out beforehand: 5 ns and less a value.
class IntegerHash {
  public:
    explicit IntegerHash(std::uint64_t seed) {
        const std::uint64_t low = seed & 0xffffffffU;
        const std::uint64_t swapped = __builtin_bswap32(static_cast<std::uint32_t>(low));
        // The words 1 and 2 of XXH3's default secret.
        flip_ = (0x1cad21f72c81017cULL ^ 0xdb979083e96dd4deULL) - (seed ^ (swapped << 32));
    }
    [[nodiscard]] std::uint64_t operator()(std::int64_t value) const {
        std::uint64_t h = std::rotl(static_cast<std::uint64_t>(value), 32) ^ flip_;
        h ^= std::rotl(h, 49) ^ std::rotl(h, 24);
        h *= 0x9fb21c651e98df25ULL;
        h ^= (h >> 35) + 8;
        h *= 0x9fb21c651e98df25ULL;
        return h ^ (h >> 28);
    }

  private:
    std::uint64_t flip_;
};

// keys[i] = hash(values[i]), several at a time where the processor can. The keys are the same
// everywhere.
void hash_integers(const IntegerHash& hash, std::span<const std::int32_t> values,
                   std::uint64_t* keys);
void hash_integers(const IntegerHash& hash, std::span<const std::int64_t> values,
                   std::uint64_t* keys);

// A real number's hash: that of the integer if it is one, else that of its 64 bits.
// REQUIRES: value is not NaN.
[[nodiscard]] inline std::uint64_t hash_real(double value, const IntegerHash& hash) {
    if (value >= -0x1p63 && value < 0x1p63) {
        const auto whole = static_cast<std::int64_t>(value);
        if (static_cast<double>(whole) == value) return hash(whole);
    }
    return hash(std::bit_cast<std::int64_t>(value));
}

// The key of a pair; for more, fold from the left. Not symmetric: order the parts first.
[[nodiscard]] inline std::uint64_t cross_keys(std::uint64_t left, std::uint64_t right) {
    // VW's scheme (FNV prime, exclusive or) in 64 bits; the rotation keeps k x k from being 0.
    std::uint64_t h = std::rotl(left, 29) * 0x00000100000001b3ULL ^ right;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93ULL;
    return h ^ (h >> 32);
}

// The cell of a key in a table of mask + 1 cells. Slot 0 belongs to the constant feature alone, so
// keys that would land there share slot 1.
[[nodiscard]] inline std::uint32_t slot_of(std::uint64_t key, std::uint32_t mask) {
    const std::uint32_t slot = static_cast<std::uint32_t>(key) & mask;
    return slot + static_cast<std::uint32_t>(slot == 0);
}

}  // namespace millrace::ml
