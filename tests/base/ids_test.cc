#include "runtime/base/ids.h"

#include <catch2/catch.hpp>

namespace millrace {
namespace {

TEST_CASE("HexId prints 32 digits and reads them back", "[base][ids]") {
    const JobId id{0x0123456789abcdefULL, 0x1ULL};
    REQUIRE(id.to_string() == "0123456789abcdef0000000000000001");
    REQUIRE(*parse_id<JobIdTag>(id.to_string()) == id);
}

TEST_CASE("HexId refuses what is not 32 hexadecimal digits", "[base][ids]") {
    REQUIRE_FALSE(parse_id<JobIdTag>("0123"));
    REQUIRE_FALSE(parse_id<JobIdTag>("0123456789abcdef000000000000000g"));
    REQUIRE_FALSE(parse_id<JobIdTag>("-123456789abcdef0000000000000001"));
}

}  // namespace
}  // namespace millrace
