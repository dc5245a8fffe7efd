#include "runtime/config/units.h"

#include <catch2/catch.hpp>

namespace millrace::config {
namespace {

TEST_CASE("durations have one of five units", "[config][units]") {
    REQUIRE(parse_duration_ms("500ms") == 500);
    REQUIRE(parse_duration_ms("10s") == 10'000);
    REQUIRE(parse_duration_ms("5m") == 300'000);
    REQUIRE(parse_duration_ms("2h") == 7'200'000);
    REQUIRE(parse_duration_ms("7d") == 604'800'000);
    REQUIRE(parse_duration_ms("0s") == 0);
}

TEST_CASE("a bare number asks for a unit and shows the likely ones", "[config][units]") {
    const auto time = parse_duration_ms("5");
    REQUIRE(time.error().needs_unit);
    REQUIRE(time.error().message == "is a time and needs a unit");
    REQUIRE(time.error().fix == "write 5s, 5m or 5h");
    REQUIRE(parse_size_bytes("64").error().fix == "write 64KiB or 64MiB");
    REQUIRE(parse_share("0.25").error().fix == "write 25%");
    REQUIRE(parse_share("25").error().fix == "write 25%");
    REQUIRE(parse_rate("5000").error().fix == "write 5000/s");
    REQUIRE(parse_rows("10000").error().fix == "write 10000rows");
    REQUIRE(parse_duration_range("1..60").error().needs_unit);
}

TEST_CASE("other systems' units are translated", "[config][units]") {
    REQUIRE(parse_duration_ms("5 minutes").error().fix == "write 5m");
    REQUIRE(parse_duration_ms("10 s").error().fix == "write 10s");
    REQUIRE(parse_size_bytes("64MB").error().fix == "write 64MiB");
    REQUIRE(parse_size_bytes("64k").error().fix == "write 64KiB");
}

TEST_CASE("what is no value with a unit is refused", "[config][units]") {
    for (const char* text : {"", "s", "-5s", "1.5s", "5x", "5s5", "soon", "+5s", "5ss", "0x5s"}) {
        CAPTURE(text);
        REQUIRE_FALSE(parse_duration_ms(text).has_value());
    }
    for (const char* text : {"", "%", "-1%", "1e3%", "a%", "1%%", "nan%", "inf%"}) {
        CAPTURE(text);
        REQUIRE_FALSE(parse_share(text).has_value());
    }
    for (const char* text : {"", "rows", "-1rows", "1.5rows", "1row", "10000 rows"}) {
        CAPTURE(text);
        REQUIRE_FALSE(parse_rows(text).has_value());
    }
    for (const char* text : {"1s", "1s..", "..1s", "2s..1s", "1s...2s", "1s..2s..3s"}) {
        CAPTURE(text);
        REQUIRE_FALSE(parse_duration_range(text).has_value());
    }
}

TEST_CASE("values that do not fit into 64 bits are refused", "[config][units]") {
    REQUIRE(parse_duration_ms("9223372036854775807ms") == 9223372036854775807);
    REQUIRE_FALSE(parse_duration_ms("9223372036854775808ms").has_value());
    REQUIRE(parse_duration_ms("106751991167d") == 106751991167LL * 86'400'000);
    REQUIRE_FALSE(parse_duration_ms("106751991168d").has_value());
    REQUIRE_FALSE(parse_size_bytes("8388608TiB").has_value());
    REQUIRE(parse_size_bytes("8388607TiB") == 8388607LL << 40);
}

TEST_CASE("sizes, shares, rates, rows and ranges are read", "[config][units]") {
    REQUIRE(parse_size_bytes("64KiB") == 65536);
    REQUIRE(parse_size_bytes("1MiB") == 1048576);
    REQUIRE(parse_size_bytes("0B") == 0);
    REQUIRE(parse_share("25%") == 0.25);
    REQUIRE(parse_share("0.5%") == 0.005);
    REQUIRE(parse_share("7%") == 0.07);
    REQUIRE(parse_rate("5000/s") == 5000.0);
    REQUIRE(parse_rate("0.5/s") == 0.5);
    REQUIRE(parse_rows("10000rows") == 10000);
    const auto range = parse_duration_range("1s..60s");
    REQUIRE(range->min_ms == 1000);
    REQUIRE(range->max_ms == 60'000);
}

// Expected values from `date -u -d ... +%s`.
TEST_CASE("points in time are UTC", "[config][units]") {
    REQUIRE(parse_instant_ms("1970-01-01T00:00:00Z") == 0);
    REQUIRE(parse_instant_ms("2026-01-02T03:04:05Z") == 1767323045000);
    REQUIRE(parse_instant_ms("2024-02-29T23:59:59.678Z") == 1709251199678);
    for (const char* text :
         {"2026-01-02", "2023-02-29T00:00:00Z", "2026-01-02T24:00:00Z", "2026-01-02T03:04:05",
          "2026-01-02T03:04:05+01:00", "2026-01-02T03:04:05.6Z", "2026-01-02 03:04:05Z"}) {
        CAPTURE(text);
        REQUIRE_FALSE(parse_instant_ms(text).has_value());
    }
}

TEST_CASE("what is printed reads back as the same value", "[config][units]") {
    for (const std::int64_t ms : {0LL, 1LL, 999LL, 1000LL, 90'000LL, 3'600'000LL, 86'400'000LL,
                                  86'400'001LL, 9223372036854775807LL}) {
        CAPTURE(ms);
        REQUIRE(parse_duration_ms(print_duration(ms)) == ms);
        REQUIRE(parse_size_bytes(print_size(ms)) == ms);
        REQUIRE(parse_rows(print_rows(ms)) == ms);
    }
    for (const char* text : {"0%", "7%", "1%", "25%", "100%", "33.333333333333333%", "0.00001%",
                             "12.3456789012345%", "29%", "57%", "0.7%"}) {
        CAPTURE(text);
        const double share = *parse_share(text);
        REQUIRE(parse_share(print_share(share)) == share);
    }
    for (const double value : {0.0, 0.5, 5000.0, 1.0 / 3, 1e-7, 1e9}) {
        CAPTURE(value);
        REQUIRE(parse_rate(print_rate(value)) == value);
    }
    REQUIRE(parse_instant_ms(print_instant(1709251199678)) == 1709251199678);
    REQUIRE(print_duration(90'000) == "90s");
    REQUIRE(print_size(1 << 20) == "1MiB");
    REQUIRE(print_share(0.07) == "7%");
    REQUIRE(print_share(0.29) == "29%");
    REQUIRE(print_rate(1e9) == "1000000000/s");
    REQUIRE(print_instant(1767323045000) == "2026-01-02T03:04:05Z");
    REQUIRE(print_duration_range({1000, 60'000}) == "1s..1m");
}

}  // namespace
}  // namespace millrace::config
