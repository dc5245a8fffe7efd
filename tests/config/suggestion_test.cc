#include "runtime/config/suggestion.h"

#include <array>

#include <catch2/catch.hpp>

namespace millrace::config {
namespace {

constexpr std::array<std::string_view, 4> kKeys{"topic", "group", "max_delay", "from"};

TEST_CASE("edit distance counts a swap of neighbours as one change", "[config][suggestion]") {
    REQUIRE(edit_distance("topic", "topic") == 0);
    REQUIRE(edit_distance("topik", "topic") == 1);
    REQUIRE(edit_distance("tpoic", "topic") == 1);
    REQUIRE(edit_distance("", "abc") == 3);
    REQUIRE(edit_distance("kitten", "sitting") == 3);
    REQUIRE(edit_distance("ca", "abc") == 3);  // Alignment, not the unrestricted distance (2).
}

TEST_CASE("the nearest word is at most a third of the length away", "[config][suggestion]") {
    REQUIRE(nearest("topik", kKeys) == "topic");
    REQUIRE(nearest("form", kKeys) == "from");
    REQUIRE_FALSE(nearest("tupik", kKeys).has_value());  // 2 of 5 letters: more than 5/3.
    REQUIRE(nearest("grp", kKeys) == std::nullopt);      // 2 changes, 1 allowed.
    REQUIRE(nearest("max_dlya", kKeys) == "max_delay");  // 2 changes, 8/3 allowed.
}

TEST_CASE("case, dashes and underscores are not changes", "[config][suggestion]") {
    REQUIRE(nearest("maxDelay", kKeys) == "max_delay");
    REQUIRE(nearest("MAX-DELAY", kKeys) == "max_delay");
}

TEST_CASE("a word of which nothing is left is no suggestion", "[config][suggestion]") {
    constexpr std::array<std::string_view, 1> kShort{"a"};
    REQUIRE_FALSE(nearest("b", kShort).has_value());
    REQUIRE_FALSE(nearest(std::string(100, 'x'), kKeys).has_value());
}

TEST_CASE("without a near word the choices are listed", "[config][suggestion]") {
    REQUIRE(suggestion("zzzzzz", kKeys) == "write one of: topic, group, max_delay, from");
    REQUIRE(suggestion("topik", kKeys) == "did you mean \"topic\"?");
    const std::vector<std::string_view> many(30, "k");
    REQUIRE(listed(many).ends_with("k and 6 more"));
}

}  // namespace
}  // namespace millrace::config
