#include "runtime/config/layers.h"

#include <catch2/catch.hpp>

namespace millrace::config {
namespace {

YamlNode tree_of(const std::string& text, std::uint32_t file) {
    YamlDocument document = read_yaml(text, file);
    REQUIRE(document.root.has_value());
    return *std::move(document.root);
}

TEST_CASE("mappings merge, lists and scalars are replaced", "[config][layers]") {
    YamlNode root = tree_of("a: { x: 1, y: [1, 2] }\nb: 2\n", 0);
    merge_layer(root, tree_of("a: { y: [3], z: 4 }\nc: 5\n", 1));
    REQUIRE(write_yaml(root) == "a:\n  x: 1\n  y:\n    - 3\n  z: 4\nb: 2\nc: 5\n");
}

TEST_CASE("marks point into the layer that a value came from", "[config][layers]") {
    YamlNode root = tree_of("a: { x: 1, y: 2 }\n", 0);
    merge_layer(root, tree_of("\na:\n  y: 3\n", 1));
    REQUIRE(root.find("a")->find("x")->mark.file == 0);
    REQUIRE(root.find("a")->find("y")->mark.file == 1);
    REQUIRE(root.find("a")->find("y")->mark.line == 3);
}

TEST_CASE("an assignment sets, replaces and creates", "[config][layers]") {
    SourceTexts sources;
    sources.add("a.yaml", "a: { x: 1 }\n");
    YamlNode root = tree_of("a: { x: 1 }\n", 0);
    REQUIRE(apply_assignment(root, sources, "a.x=2").empty());
    REQUIRE(apply_assignment(root, sources, "b.c.d=[1, x=y]").empty());
    REQUIRE(write_yaml(root) == "a:\n  x: 2\nb:\n  c:\n    d:\n      - 1\n      - \"x=y\"\n");
    const Mark mark = root.find("a")->find("x")->mark;
    REQUIRE(sources.name(mark.file) == "--set");
    REQUIRE(mark.column == 5);
}

TEST_CASE("an assignment that names no key is refused", "[config][layers]") {
    for (const char* text : {"a", "=1", "a..b=1", ".a=1", "a.=1", ""}) {
        CAPTURE(text);
        SourceTexts sources;
        YamlNode root = tree_of("a: 1\n", 0);
        const auto diagnostics = apply_assignment(root, sources, text);
        REQUIRE(diagnostics.size() == 1);
        REQUIRE(diagnostics[0].code == "E010");
    }
}

TEST_CASE("an assignment has at most as many levels as a file", "[config][layers]") {
    SourceTexts sources;
    std::string path = "a";
    for (std::size_t i = 1; i < YamlLimits{}.depth_max; ++i) {
        path += ".a";
    }
    YamlNode root = tree_of("b: 1\n", 0);
    REQUIRE(apply_assignment(root, sources, path + "=1").empty());
    REQUIRE(apply_assignment(root, sources, path + ".a=1").at(0).code == "E010");
}

TEST_CASE("a broken value of an assignment is shown where it stands", "[config][layers]") {
    SourceTexts sources;
    YamlNode root = tree_of("a: 1\n", 0);
    const auto diagnostics = apply_assignment(root, sources, "a=@b");
    REQUIRE(diagnostics.size() == 1);
    REQUIRE(diagnostics[0].code == "E001");
    REQUIRE(diagnostics[0].mark.column == 3);
}

}  // namespace
}  // namespace millrace::config
