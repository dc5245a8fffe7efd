#include "runtime/base/crc32c.h"

#include <cstring>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

namespace millrace {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

TEST_CASE("Crc32c gives the published check values", "[base][crc32c]") {
    // RFC 3720 B.4 and the catalogue's check value for "123456789".
    REQUIRE(crc32c(bytes_of("123456789")) == 0xE3069283U);
    REQUIRE(crc32c(std::vector<std::byte>(32, std::byte{0})) == 0x8A9136AAU);
    REQUIRE(crc32c(std::vector<std::byte>(32, std::byte{0xFF})) == 0x62A8AB43U);
}

TEST_CASE("Crc32c continues where it stopped", "[base][crc32c]") {
    REQUIRE(crc32c(bytes_of("6789"), crc32c(bytes_of("12345"))) == crc32c(bytes_of("123456789")));
}

}  // namespace
}  // namespace millrace
