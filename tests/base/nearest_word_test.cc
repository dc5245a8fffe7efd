#include "runtime/base/nearest_word.h"

#include <array>
#include <string>

#include <catch2/catch.hpp>

namespace millrace {
namespace {

constexpr std::array<std::string_view, 4> kKeys{"topic", "group", "max_delay", "from"};

TEST_CASE("Edit distance counts a swap of neighbours as one change", "[base][nearest_word]") {
    REQUIRE(edit_distance("topic", "topic") == 0);
    REQUIRE(edit_distance("topik", "topic") == 1);
    REQUIRE(edit_distance("tpoic", "topic") == 1);
    REQUIRE(edit_distance("", "abc") == 3);
    REQUIRE(edit_distance("kitten", "sitting") == 3);
    REQUIRE(edit_distance("ca", "abc") == 3);  // Alignment, not the unrestricted distance (2).
}

TEST_CASE("The nearest word is at most a third of the length away", "[base][nearest_word]") {
    REQUIRE(nearest_word("topik", kKeys) == "topic");
    REQUIRE(nearest_word("form", kKeys) == "from");
    REQUIRE_FALSE(nearest_word("tupik", kKeys).has_value());  // 2 of 5 letters: more than 5/3.
    REQUIRE(nearest_word("grp", kKeys) == std::nullopt);      // 2 changes, 1 allowed.
    REQUIRE(nearest_word("max_dlya", kKeys) == "max_delay");  // 2 changes, 8/3 allowed.
}

TEST_CASE("Case, dashes and underscores are not changes", "[base][nearest_word]") {
    REQUIRE(nearest_word("maxDelay", kKeys) == "max_delay");
    REQUIRE(nearest_word("MAX-DELAY", kKeys) == "max_delay");
}

TEST_CASE("A word of which nothing is left is no suggestion", "[base][nearest_word]") {
    constexpr std::array<std::string_view, 1> kShort{"a"};
    REQUIRE_FALSE(nearest_word("b", kShort).has_value());
    REQUIRE_FALSE(nearest_word(std::string(100, 'x'), kKeys).has_value());
}

}  // namespace
}  // namespace millrace
