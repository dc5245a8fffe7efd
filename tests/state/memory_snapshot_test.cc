#include "runtime/state/memory_snapshot.h"

#include <string>

#include <catch2/catch.hpp>

namespace millrace::state {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_CASE("MemorySnapshot reads back what was written in several calls",
          "[state][memory_snapshot]") {
    MemorySnapshot snapshot;
    REQUIRE(snapshot.write("window", bytes_of("ab")));
    REQUIRE(snapshot.write("other.1", bytes_of("")));
    REQUIRE(snapshot.write("window", bytes_of("cd")));
    REQUIRE(text_of(*snapshot.read("window")) == "abcd");
    REQUIRE(snapshot.read("other.1")->empty());
    REQUIRE(snapshot.read("missing").error().code == Code::kNotFound);
}

TEST_CASE("MemorySnapshot refuses names that are none", "[state][memory_snapshot]") {
    MemorySnapshot snapshot;
    const std::string name = GENERATE("", "Window", "1st", "a b", "a/b", "_a");
    REQUIRE(snapshot.write(name, bytes_of("x")).error().code == Code::kInvalidArgument);
    REQUIRE(snapshot.sections().empty());
}

TEST_CASE("MemorySnapshot takes a section up to its limit and not a byte more",
          "[state][memory_snapshot]") {
    MemorySnapshot snapshot(4);
    REQUIRE(snapshot.write("s", bytes_of("abc")));
    REQUIRE(snapshot.write("s", bytes_of("d")));
    REQUIRE(snapshot.write("s", bytes_of("e")).error().code == Code::kResourceExhausted);
    REQUIRE(text_of(*snapshot.read("s")) == "abcd");
}

}  // namespace
}  // namespace millrace::state
