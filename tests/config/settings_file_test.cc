#include "runtime/config/settings_file.h"

#include <catch2/catch.hpp>

namespace millrace::config {
namespace {

std::vector<std::string> codes_of(const SettingsFile& file) {
    std::vector<std::string> codes;
    codes.reserve(file.diagnostics.size());
    for (const Diagnostic& entry : file.diagnostics) codes.push_back(entry.code);
    return codes;
}

TEST_CASE("settings may be written nested or dotted, and keep their lines",
          "[config][settings_file]") {
    const SettingsFile file = read_settings_file(
        "# of the cluster\n"
        "taskmanager:\n"
        "  numberOfTaskSlots: 16\n"
        "  memory: { process.size: 4g, managed: { fraction: 0.4 } }\n"
        "jobmanager.memory.process.size: 1600m\n",
        0);
    REQUIRE(file.diagnostics.empty());
    REQUIRE(file.settings.size() == 4);
    CHECK(file.settings[0].key == "taskmanager.numberOfTaskSlots");
    CHECK(file.settings[0].value == "16");
    CHECK(file.settings[0].line == 3);
    CHECK(file.settings[1].key == "taskmanager.memory.process.size");
    CHECK(file.settings[1].value == "4g");
    CHECK(file.settings[2].key == "taskmanager.memory.managed.fraction");
    CHECK(file.settings[2].line == 4);
    CHECK(file.settings[3].key == "jobmanager.memory.process.size");
    CHECK(file.settings[3].line == 5);
}

TEST_CASE("everything that is wrong with a file of settings is said at once",
          "[config][settings_file]") {
    const SettingsFile file = read_settings_file("a: [1, 2]\nb:\nc: 1\nc: 2\nd: 3\n", 0);
    REQUIRE(codes_of(file) == std::vector<std::string>{"E011", "E013", "E019"});
    REQUIRE(file.settings.size() == 2);
    CHECK(file.settings[0].value == "1");
    CHECK(file.settings[1].key == "d");
}

TEST_CASE("a file of settings that is none is refused", "[config][settings_file]") {
    CHECK(codes_of(read_settings_file("- a\n", 0)) == std::vector<std::string>{"E013"});
    CHECK(codes_of(read_settings_file("a: \"b\n", 0)) == std::vector<std::string>{"E002"});
    CHECK(codes_of(read_settings_file("a: 1\n---\nb: 1\n", 0)) == std::vector<std::string>{"E009"});
}

TEST_CASE("what is wrong with a setting is said without its value, which may be a password",
          "[config][settings_file]") {
    const std::string text =
        GENERATE("a: { b: sec(ret, more }\n", "a: { b: [secret] }\n", "a: secret\na: secret\n",
                 "a: @secret\n", "a: !secret x\n", "a: *secret\n", "a: b: secret\n");
    CAPTURE(text);
    const SettingsFile file = read_settings_file(text, 0);
    REQUIRE_FALSE(file.diagnostics.empty());
    for (const Diagnostic& entry : file.diagnostics)
        CHECK_THAT(entry.message + entry.fix, !Catch::Contains("sec") && !Catch::Contains("more"));
}

TEST_CASE("a file of settings may hold none", "[config][settings_file]") {
    for (const char* text : {"", "\n", "# taskmanager.numberOfTaskSlots: 16\n", "---\n"}) {
        CAPTURE(text);
        const SettingsFile file = read_settings_file(text, 0);
        CHECK(file.settings.empty());
        CHECK(file.diagnostics.empty());
    }
}

}  // namespace
}  // namespace millrace::config
