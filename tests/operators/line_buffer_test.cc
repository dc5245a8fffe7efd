#include "operators/line_buffer.h"

#include <cstring>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/support/slot_world.h"

namespace millrace::operators {
namespace {

// Feeds `text` in pieces and notes what comes out: "line@next byte", "TOO LONG@next byte".
std::vector<std::string> lines_of(const std::string& text, std::size_t piece, std::size_t limit) {
    millrace::test::SlotWorld memory;
    LineBuffer buffer(memory.slot(), memory.owner(), limit);
    std::vector<std::string> lines;
    std::string_view line;
    const auto note = [&](LineBuffer::Found found) {
        if (found == LineBuffer::Found::kNothing) return false;
        lines.push_back((found == LineBuffer::Found::kLine ? std::string(line) : "TOO LONG") + "@" +
                        std::to_string(buffer.next_byte()));
        return true;
    };
    for (std::size_t at = 0; at < text.size(); at += piece) {
        const auto room = buffer.room();
        REQUIRE(room);
        const std::size_t size = std::min(piece, text.size() - at);
        REQUIRE(size <= room->size());
        std::memcpy(room->data(), text.data() + at, size);
        buffer.filled(size);
        while (note(buffer.next(line))) {
        }
    }
    note(buffer.last(line));
    return lines;
}

}  // namespace

TEST_CASE("LineBuffer cuts lines the same way whatever the pieces", "[operators][line_buffer]") {
    const std::size_t piece = GENERATE(1, 2, 3, 7, 1000);
    CAPTURE(piece);
    CHECK(lines_of("ab\ncd\r\n\n12345\n123456\n\r\nlast", piece, 5) ==
          std::vector<std::string>{"ab@3", "cd@7", "@8", "12345@14", "TOO LONG@21", "@23",
                                   "last@27"});
}

TEST_CASE("LineBuffer skips a line of any length within its limits", "[operators][line_buffer]") {
    const std::string text = "a\n" + std::string(3'000'000, 'x') + "\nb\n";
    CHECK(lines_of(text, 100'000, 1000) ==
          std::vector<std::string>{"a@2", "TOO LONG@3000003", "b@3000005"});
    CHECK(lines_of(std::string(3'000'000, 'x'), 100'000, 1000) ==
          std::vector<std::string>{"TOO LONG@3000000"});
}

TEST_CASE("LineBuffer grows to the longest allowed line and no further",
          "[operators][line_buffer]") {
    const std::string text = std::string(1 << 20, 'x') + "\nb\n";
    const auto lines = lines_of(text, 50'000, 1 << 20);
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].size() > 1 << 20);
    CHECK(lines[1] == "b@1048579");
}

}  // namespace millrace::operators
