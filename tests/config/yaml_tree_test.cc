#include "runtime/config/yaml_tree.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

namespace millrace::config {
namespace {

YamlNode tree_of(const std::string& text) {
    YamlDocument document = read_yaml(text, 0);
    REQUIRE(document.diagnostics.empty());
    REQUIRE(document.root.has_value());
    return *std::move(document.root);
}

std::string code_of(const std::string& text, const YamlLimits& limits = {}) {
    const YamlDocument document = read_yaml(text, 0, limits);
    REQUIRE_FALSE(document.root.has_value());
    REQUIRE(document.diagnostics.size() == 1);
    return document.diagnostics[0].code;
}

TEST_CASE("keys and values know their place", "[config][yaml_tree]") {
    const YamlNode root = tree_of("a: 1\nlonger:\n  - 'x y'\n  - { b: c }\n");
    REQUIRE(root.entries[1].key_mark == Mark{0, 2, 1, 2, 7});
    const YamlNode& list = root.entries[1].value;
    REQUIRE(list.items[0].mark == Mark{0, 3, 5, 3, 10});
    REQUIRE(list.items[1].entries[0].value.mark == Mark{0, 4, 10, 4, 11});
}

TEST_CASE("scalars keep their raw text", "[config][yaml_tree]") {
    const YamlNode root = tree_of("a: no\nb: 0x10\nc: \"\\x41\"\nd: 'null'\ne: null\nf:\n");
    REQUIRE(root.find("a")->text == "no");
    REQUIRE(root.find("b")->text == "0x10");
    REQUIRE(root.find("c")->text == "A");
    REQUIRE_FALSE(root.find("d")->is_null());
    REQUIRE(root.find("e")->is_null());
    REQUIRE(root.find("f")->is_null());
    REQUIRE(root.find("g") == nullptr);
}

TEST_CASE("a key that is given twice is reported with the line of the first",
          "[config][yaml_tree]") {
    const YamlDocument document = read_yaml("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n", 0);
    REQUIRE(document.root.has_value());
    REQUIRE(document.diagnostics.size() == 2);
    REQUIRE(document.diagnostics[0].code == "E011");
    REQUIRE(document.diagnostics[0].path == "b.c");
    REQUIRE(document.diagnostics[0].message ==
            "key \"c\" is given twice in b; the first is on line 3");
    REQUIRE(document.diagnostics[1].mark.line == 5);
    REQUIRE(document.root->find("a")->text == "1");
}

TEST_CASE("a value that a comma inside braces cuts is kept whole, and reported once",
          "[config][yaml_tree]") {
    const YamlDocument document = read_yaml("a: { b: f(x, g(1,  2), 3), c: f(y, 3), d: 4 }\n", 0);
    REQUIRE(document.root.has_value());
    const YamlNode& a = *document.root->find("a");
    REQUIRE(a.entries.size() == 3);
    CHECK(a.find("b")->text == "f(x, g(1, 2), 3)");
    CHECK(a.find("c")->text == "f(y, 3)");
    REQUIRE(document.diagnostics.size() == 2);
    CHECK(document.diagnostics[0].code == "E017");
    CHECK(document.diagnostics[0].path == "a.b");
    CHECK(document.diagnostics[0].mark == Mark{0, 1, 9, 1, 26});
    CHECK(document.diagnostics[0].fix == "put quotes around the expression: b: 'f(x, g(1, 2), 3)'");
    CHECK(document.diagnostics[1].path == "a.c");
}

TEST_CASE("a key without a value is the rest of none when no parenthesis is open",
          "[config][yaml_tree]") {
    const std::string text = GENERATE("a: { b: f(x), c }\n", "a: { b: \"f(x\", c }\n",
                                      "a: { b: f(x, c: 1 }\n", "a:\n  b: f(x\n  c:\n");
    CAPTURE(text);
    const YamlNode root = tree_of(text);
    REQUIRE(root.find("a")->entries.size() == 2);
}

TEST_CASE("an alias is a copy of its anchor", "[config][yaml_tree]") {
    const YamlNode root = tree_of("a: &x { b: [1, 2] }\nc: *x\nd: [*x]\n");
    REQUIRE(root.find("c")->find("b")->items[1].text == "2");
    REQUIRE(root.find("d")->items[0].find("b")->items.size() == 2);
}

TEST_CASE("an anchor cannot be used inside itself", "[config][yaml_tree]") {
    REQUIRE(code_of("a: &x [*x]\n") == "E007");
}

TEST_CASE("a text may have 1 MiB", "[config][yaml_tree]") {
    const YamlLimits limits;
    const std::string start = "a: ";
    REQUIRE(read_yaml(start + std::string(limits.bytes_max - start.size(), 'x'), 0).root);
    REQUIRE(code_of(start + std::string(limits.bytes_max - start.size() + 1, 'x')) == "E003");
}

TEST_CASE("a text may be 64 levels deep", "[config][yaml_tree]") {
    const auto nested = [](std::size_t depth) {
        return std::string(depth - 1, '[') + "x" + std::string(depth - 1, ']');
    };
    REQUIRE(read_yaml(nested(64), 0).root.has_value());
    REQUIRE(code_of(nested(65)) == "E003");
}

TEST_CASE("aliases cannot go deeper than the limit", "[config][yaml_tree]") {
    std::string text = "a0: &a0 [x]\n";
    for (int i = 1; i < 63; ++i) {
        text += fmt::format("a{}: &a{} [*a{}]\n", i, i, i - 1);
    }
    REQUIRE(code_of(text) == "E003");
}

TEST_CASE("a text may have 100 000 values, copies counted", "[config][yaml_tree]") {
    const auto list = [](std::size_t items) {
        std::string text = "[";
        for (std::size_t i = 0; i < items; ++i) {
            text += "x,";
        }
        return text + "]";
    };
    REQUIRE(read_yaml(list(99'999), 0).root.has_value());
    REQUIRE(code_of(list(100'000)) == "E003");
    std::string bomb = "a: &a " + list(9) + "\n";
    for (char name = 'b'; name < 'j'; ++name) {
        bomb += fmt::format("{0}: &{0} [*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1}]\n", name,
                            static_cast<char>(name - 1));
    }
    REQUIRE(code_of(bomb) == "E003");
}

TEST_CASE("nested anchors count their copies", "[config][yaml_tree]") {
    std::string text;
    for (int i = 0; i < 60; ++i) {
        text += fmt::format("&a{} [", i);
    }
    for (int i = 0; i < 20'000; ++i) {
        text += "x,";
    }
    REQUIRE(code_of(text + std::string(60, ']')) == "E003");
}

TEST_CASE("anchors and aliases may copy 4 MiB, however few values that are",
          "[config][yaml_tree]") {
    const auto copies = [](std::size_t bytes) {
        // Four copies: the anchor's and three aliases'.
        return "a: &a " + std::string(bytes, 'x') + "\nb: [*a, *a, *a]\n";
    };
    constexpr std::size_t kMost = std::size_t{1} << 20;
    YamlLimits limits;
    limits.bytes_max = 2 * kMost;
    REQUIRE(read_yaml(copies(kMost), 0, limits).root.has_value());
    REQUIRE(read_yaml(copies(kMost + 1), 0, limits).diagnostics.at(0).code == "E003");
    std::string bomb = "a: &a " + std::string(kMost / 2, 'x') + "\n";
    for (char name = 'b'; name < 'e'; ++name) {
        bomb += fmt::format("{}: &{} [", name, name);
        for (int i = 0; i < 30; ++i) {
            bomb += fmt::format("*{},", static_cast<char>(name - 1));
        }
        bomb += "]\n";
    }
    REQUIRE(code_of(bomb) == "E003");
}

TEST_CASE("a text may have 100 aliases", "[config][yaml_tree]") {
    const auto aliases = [](std::size_t count) {
        std::string text = "a: &x y\nb: [";
        for (std::size_t i = 0; i < count; ++i) {
            text += "*x, ";
        }
        return text + "]\n";
    };
    REQUIRE(read_yaml(aliases(100), 0).root.has_value());
    REQUIRE(code_of(aliases(101)) == "E003");
}

TEST_CASE("a key may have 128 bytes", "[config][yaml_tree]") {
    REQUIRE(read_yaml(std::string(128, 'k') + ": 1\n", 0).root.has_value());
    REQUIRE(code_of(std::string(129, 'k') + ": 1\n") == "E003");
}

TEST_CASE("what would hide something is refused", "[config][yaml_tree]") {
    REQUIRE(code_of("a: !!str 1\n") == "E007");
    REQUIRE(code_of("a: !x { b: c }\n") == "E007");
    REQUIRE(code_of("a: *nowhere\n") == "E007");
    REQUIRE(code_of("a: &x { b: c }\nd: { <<: *x }\n") == "E007");
    REQUIRE(code_of("a: 1\n---\nb: 2\n") == "E009");
    REQUIRE(code_of("") == "E009");
    REQUIRE(code_of("[a, b]: c\n") == "E001");
    REQUIRE(code_of("a: \xff\n") == "E008");
    REQUIRE(code_of(std::string("a: \0\n", 5)) == "E008");
    REQUIRE(code_of("path: \"/tmp/seen\\0/../shown\"\n") == "E008");
    REQUIRE(code_of("\"a\\x00b\": 1\n") == "E008");
}

TEST_CASE("an unclosed quote names the line where it began", "[config][yaml_tree]") {
    const YamlDocument document = read_yaml("a: 1\nb: \"text\nc: d\n", 0);
    REQUIRE(document.diagnostics.size() == 1);
    REQUIRE(document.diagnostics[0].code == "E002");
    REQUIRE(document.diagnostics[0].mark.line == 2);
    REQUIRE(document.diagnostics[0].message == "the quote opened on line 2 is not closed");
}

TEST_CASE("what is written reads back as the same tree", "[config][yaml_tree]") {
    const std::string text =
        "a: 1\n\"b c\": [x, '', \"null\", ~, [d, {}], []]\n"
        "e: { f: \"line\\nnext\\ttab \\\"quoted\\\" \\x01\", g: '- h', i: \"#j\" }\n"
        "\"${k}\": 'yes: no'\nl: -5\nm: --x\nn: \"a # b\"\no: \"\xC3\xA4\"\n";
    const YamlNode first = tree_of(text);
    const std::string written = write_yaml(first);
    const YamlNode second = tree_of(written);
    INFO(written);
    REQUIRE(write_yaml(second) == written);
    REQUIRE(second.find("b c")->items[1].text.empty());
    REQUIRE_FALSE(second.find("b c")->items[2].is_null());
    REQUIRE(second.find("b c")->items[3].is_null());
    REQUIRE(second.find("e")->find("f")->text == "line\nnext\ttab \"quoted\" \x01");
    REQUIRE(second.find("e")->find("g")->text == "- h");
    REQUIRE(second.find("m")->text == "--x");
    REQUIRE(second.find("o")->text == "\xC3\xA4");
}

}  // namespace
}  // namespace millrace::config
