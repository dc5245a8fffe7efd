#include "runtime/config/variables.h"

#include <catch2/catch.hpp>

namespace millrace::config {
namespace {

std::optional<std::string> lookup(std::string_view name) {
    if (name == "HOST") {
        return "broker";
    }
    if (name == "EMPTY") {
        return "";
    }
    if (name == "YAML") {
        return "{ a: [1, 2] } # no";
    }
    return std::nullopt;
}

YamlNode tree_of(const std::string& text) {
    YamlDocument document = read_yaml(text, 0);
    REQUIRE(document.root.has_value());
    return *std::move(document.root);
}

std::string filled(const std::string& value) {
    YamlNode root = tree_of("k: '" + value + "'");
    REQUIRE(fill_variables(root, lookup).empty());
    return root.find("k")->text;
}

TEST_CASE("variables are filled into values", "[config][variables]") {
    REQUIRE(filled("${HOST}:9092") == "broker:9092");
    REQUIRE(filled("${HOST}${HOST}") == "brokerbroker");
    REQUIRE(filled("${PORT:-9092}") == "9092");
    REQUIRE(filled("${EMPTY}x") == "x");
    REQUIRE(filled("${EMPTY:-default}") == "default");
    REQUIRE(filled("${PORT:-}") == "");
    REQUIRE(filled("${HOST:?needed}") == "broker");
}

TEST_CASE("a dollar can be written", "[config][variables]") {
    REQUIRE(filled("$$5") == "$5");
    REQUIRE(filled("$${HOST}") == "${HOST}");
    REQUIRE(filled("$5 and $") == "$5 and $");
}

TEST_CASE("a value cannot add structure, and keys are left alone", "[config][variables]") {
    YamlNode root = tree_of("\"${HOST}\": { list: [\"${YAML}\"] }");
    REQUIRE(fill_variables(root, lookup).empty());
    const YamlNode* inner = root.find("${HOST}");
    REQUIRE(inner != nullptr);
    REQUIRE(inner->find("list")->items.size() == 1);
    REQUIRE(inner->find("list")->items[0].kind == YamlNode::Kind::kScalar);
    REQUIRE(inner->find("list")->items[0].text == "{ a: [1, 2] } # no");
}

TEST_CASE("all unset variables are reported at once", "[config][variables]") {
    YamlNode root = tree_of("a: '${X}'\nb: ['${Y:?say why}', '${HOST}', '${EMPTY:?not empty}']\n");
    const auto diagnostics = fill_variables(root, lookup);
    REQUIRE(diagnostics.size() == 3);
    REQUIRE(diagnostics[0].code == "E004");
    REQUIRE(diagnostics[0].path == "a");
    REQUIRE(diagnostics[1].path == "b[0]");
    REQUIRE(diagnostics[1].message == "the variable Y is not set: say why");
    REQUIRE(diagnostics[2].path == "b[2]");
}

TEST_CASE("what is no variable is refused", "[config][variables]") {
    for (const char* text :
         {"${", "${HOST", "${}", "${1X}", "${A-B}", "${A:+b}", "${A:b}", "${ A}"}) {
        CAPTURE(text);
        YamlNode root = tree_of("k: '" + std::string(text) + "'");
        const auto diagnostics = fill_variables(root, lookup);
        REQUIRE(diagnostics.size() == 1);
        REQUIRE(diagnostics[0].code == "E005");
    }
}

TEST_CASE("a filled value has at most 64 KiB", "[config][variables]") {
    const VariableLookup large = [](std::string_view) {
        return std::optional<std::string>(std::string(kFilledBytesMax / 2, 'x'));
    };
    YamlNode fits = tree_of("k: '${A}${A}'");
    REQUIRE(fill_variables(fits, large).empty());
    YamlNode exceeds = tree_of("k: '${A}${A}y'");
    REQUIRE(fill_variables(exceeds, large).at(0).code == "E003");
}

TEST_CASE("a server refuses every value that holds a variable", "[config][variables]") {
    const YamlNode root = tree_of("a: '${X}'\nb: [c, '$${Y}']\n$d: $e\n");
    const auto diagnostics = refuse_variables(root);
    REQUIRE(diagnostics.size() == 2);
    REQUIRE(diagnostics[0].code == "E104");
}

}  // namespace
}  // namespace millrace::config
