#include "ml/hash.h"

#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace millrace::ml {
namespace {

std::string little_endian(std::int64_t value) {
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &value, 8);
    return bytes;
}

TEST_CASE("IntegerHash equals XXH3 of the eight little endian bytes", "[ml][hash]") {
    const std::uint64_t seed = GENERATE(0ULL, 1ULL, 0x9e3779b97f4a7c15ULL, ~0ULL);
    const std::int64_t value =
        GENERATE(0LL, 1LL, 5LL, -1LL, 1LL << 32, std::numeric_limits<std::int64_t>::min());
    CAPTURE(seed, value);
    REQUIRE(IntegerHash(seed)(value) == hash_bytes(little_endian(value), seed));
}

TEST_CASE("hash_integers hashes every length as one value after the other", "[ml][hash]") {
    const IntegerHash hash(0x9e3779b97f4a7c15ULL);
    constexpr std::size_t kMost = 67;
    std::vector<std::int64_t> wide;
    std::vector<std::int32_t> narrow;
    for (std::size_t i = 0; i < kMost; ++i) {
        wide.push_back(static_cast<std::int64_t>(hash_bytes("value", i)));
        narrow.push_back(static_cast<std::int32_t>(wide[i]));
    }
    for (std::size_t count = 0; count <= kMost; ++count) {
        std::vector<std::uint64_t> of_wide(count + 1, 42);
        std::vector<std::uint64_t> of_narrow(count + 1, 42);
        hash_integers(hash, std::span<const std::int64_t>(wide).first(count), of_wide.data());
        hash_integers(hash, std::span<const std::int32_t>(narrow).first(count), of_narrow.data());
        CAPTURE(count);
        for (std::size_t i = 0; i < count; ++i) {
            REQUIRE(of_wide[i] == hash_bytes(little_endian(wide[i]), 0x9e3779b97f4a7c15ULL));
            REQUIRE(of_narrow[i] == hash_bytes(little_endian(narrow[i]), 0x9e3779b97f4a7c15ULL));
        }
        REQUIRE(of_wide[count] == 42);
        REQUIRE(of_narrow[count] == 42);
    }
}

// From XXH3's own test vectors: 64 bits without a seed of the empty input.
TEST_CASE("hash_bytes is XXH3", "[ml][hash]") {
    REQUIRE(hash_bytes("", 0) == 0x2d06800538d394c2ULL);
}

TEST_CASE("hash_real joins whole numbers with the integers", "[ml][hash]") {
    const IntegerHash hash(7);
    REQUIRE(hash_real(5.0, hash) == hash(5));
    REQUIRE(hash_real(-0.0, hash) == hash(0));
    REQUIRE(hash_real(5.5, hash) != hash(5));
    REQUIRE(hash_real(1e300, hash) != hash_real(-1e300, hash));
}

TEST_CASE("cross_keys keeps a key crossed with itself apart from zero", "[ml][hash]") {
    const std::uint64_t a = IntegerHash(1)(1);
    const std::uint64_t b = IntegerHash(2)(1);
    REQUIRE(cross_keys(a, b) != cross_keys(b, a));
    REQUIRE(cross_keys(a, a) != 0);
    REQUIRE(cross_keys(a, a) != cross_keys(b, b));
}

TEST_CASE("slot_of leaves slot 0 to the constant feature", "[ml][hash]") {
    REQUIRE(slot_of(0x100, 0xff) == 1);
    REQUIRE(slot_of(0x1ff, 0xff) == 0xff);
}

}  // namespace
}  // namespace millrace::ml
