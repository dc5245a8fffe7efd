#include "runtime/config/suggestion.h"

#include <array>
#include <vector>

#include <catch2/catch.hpp>

namespace millrace::config {
namespace {

constexpr std::array<std::string_view, 4> kKeys{"topic", "group", "max_delay", "from"};

TEST_CASE("without a near word the choices are listed", "[config][suggestion]") {
    REQUIRE(suggestion("zzzzzz", kKeys) == "write one of: topic, group, max_delay, from");
    REQUIRE(suggestion("topik", kKeys) == "did you mean \"topic\"?");
    const std::vector<std::string_view> many(30, "k");
    REQUIRE(listed(many).ends_with("k and 6 more"));
}

}  // namespace
}  // namespace millrace::config
