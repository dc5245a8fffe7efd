#include "memory/byte_size.h"

#include <catch2/catch.hpp>

namespace millrace::memory {

TEST_CASE("Sizes are read with every unit, in bytes", "[memory][byte_size]") {
    const auto [text, bytes] = GENERATE(table<std::string, std::uint64_t>({
        {"0", 0},
        {"4096", 4096},
        {"12b", 12},
        {"64k", 65536},
        {"64KiB", 65536},
        {"1728m", 1811939328},
        {"64mb", 67108864},
        {"64MiB", 67108864},
        {" 64 mb ", 67108864},
        {"1g", 1073741824},
        {"2GB", 2147483648},
        {"1t", 1099511627776},
        {"9223372036854775807", 9223372036854775807U},
    }));
    CAPTURE(text);
    const auto parsed = parse_bytes(text);
    REQUIRE(parsed);
    CHECK(*parsed == bytes);
}

TEST_CASE("Sizes that are none are refused with an example", "[memory][byte_size]") {
    const auto* const text =
        GENERATE("", "m", "-1m", "1.5g", "1 x", "0x10", "1mm", "8388608t", "99999999999999999999");
    CAPTURE(text);
    const auto parsed = parse_bytes(text);
    REQUIRE_FALSE(parsed);
    CHECK_THAT(parsed.error().message, Catch::Contains("Hint: write a whole number and a unit"));
}

TEST_CASE("Sizes are written for people, rounded down", "[memory][byte_size]") {
    CHECK(format_bytes(0) == "0 bytes");
    CHECK(format_bytes(1023) == "1023 bytes");
    CHECK(format_bytes(48 << 20) == "48 MiB");
    CHECK(format_bytes((1 << 20) + (1 << 19)) == "1.5 MiB");
    CHECK(format_bytes((std::uint64_t{1} << 30) - 1) == "1023.99 MiB");
    CHECK(format_bytes(std::uint64_t{1} << 63) == "8388608 TiB");
}

TEST_CASE("Sizes are rounded to the nearest hundredth of a unit on request",
          "[memory][byte_size]") {
    CHECK(format_rounded(1023) == "1023 bytes");
    CHECK(format_rounded(48 << 20) == "48 MiB");
    CHECK(format_rounded((1 << 20) + 5243) == "1.01 MiB");                    // 1.0050001
    CHECK(format_rounded((1 << 20) + 5242) == "1 MiB");                       // 1.0049992
    CHECK(format_rounded((std::uint64_t{1} << 30) - 5243) == "1023.99 MiB");  // 1023.9949999
    CHECK(format_rounded((std::uint64_t{1} << 30) - 5242) == "1 GiB");        // 1023.9950008
    CHECK(format_rounded(std::uint64_t{1000} << 30) == "1000 GiB");
}

TEST_CASE("A tenth of a size is written as a tenth", "[memory][byte_size]") {
    // 172.8 MiB are 181193932.8 bytes: what is used is rounded down to bytes.
    CHECK(format_rounded(181193932) == "172.8 MiB");
    CHECK(format_mib(181193932) == "172.8");
    CHECK(format_mib(5734 * 32768) == "179.1875");
    CHECK(format_mib(13 * 32768) == "0.40625");
    CHECK(format_mib(1) == "0");
    CHECK(format_mib(6) == "0.00001");
}

TEST_CASE("Fractions are exact decimals, rounded down to bytes", "[memory][byte_size]") {
    const auto fraction = DecimalFraction::parse("0.4");
    REQUIRE(fraction);
    // 0.4f would give 536870920, which is what real Flink clusters show.
    CHECK(fraction->of(1342177280) == 536870912);
    CHECK(fraction->of(9) == 3);
    CHECK(fraction->beside(9) == 6);
    CHECK(fraction->to_string() == "0.4");
    CHECK(DecimalFraction::parse(".05")->to_string() == "0.05");
    CHECK(DecimalFraction::parse("0")->of(100) == 0);
    CHECK(DecimalFraction::parse("0.999999999999999999")->beside(std::uint64_t{1} << 56) ==
          9223372036854775807U);
}

TEST_CASE("Fractions outside of zero to one are refused", "[memory][byte_size]") {
    const auto* const text =
        GENERATE("", "1", "1.0", "-0.1", "0.", "0.4f", "40%", "0.1234567890123456789", "abc");
    CAPTURE(text);
    CHECK_FALSE(DecimalFraction::parse(text));
}

}  // namespace millrace::memory
