// The marks of changed lines against sets of numbers that do the same.

#include "ml/dirty_lines.h"

#include <cstdint>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

#include "runtime/base/random.h"

namespace millrace::ml {
namespace {

struct Marks {
    explicit Marks(unsigned bits) : memory(DirtyLines::bytes(bits) / 8), lines(memory) {}
    std::vector<std::size_t> take() {
        std::vector<std::size_t> taken;
        lines.take_unpublished([&](std::size_t line) { taken.push_back(line); });
        return taken;
    }
    std::vector<std::size_t> unsaved() {
        lines.settle();
        std::vector<std::size_t> found;
        for (std::size_t line = 0; line < lines.lines(); ++line)
            if (lines.is_unsaved(line)) found.push_back(line);
        return found;
    }
    std::vector<std::uint64_t> memory;
    DirtyLines lines;
};

std::vector<std::size_t> sorted(const std::set<std::size_t>& lines) {
    return {lines.begin(), lines.end()};
}

TEST_CASE("Three bits a line: 384 KiB for 2^22 cells", "[ml][dirty_lines]") {
    CHECK(DirtyLines::bytes(22) == 3 * 128 * 1024);
    CHECK(DirtyLines::bytes(8) == 3 * 8);
    CHECK(Marks(10).lines.lines() == 256);
}

TEST_CASE("Publishing and saving each see every line once", "[ml][dirty_lines]") {
    Marks marks(8);
    marks.lines.mark(0);
    marks.lines.mark(3);    // The same line.
    marks.lines.mark(255);  // The last one.
    CHECK(marks.take() == std::vector<std::size_t>{0, 63});
    CHECK(marks.take().empty());
    CHECK(marks.unsaved() == std::vector<std::size_t>{0, 63});
    marks.lines.mark(4);
    CHECK(marks.unsaved() == std::vector<std::size_t>{0, 1, 63});
    marks.lines.saved();
    CHECK(marks.unsaved().empty());
    CHECK(marks.take() == std::vector<std::size_t>{1});
    marks.lines.mark_all();
    CHECK(marks.take().size() == 64);
    marks.lines.forget();
    CHECK(marks.unsaved().empty());
}

TEST_CASE("Marks agree with sets over thousands of random steps", "[ml][dirty_lines]") {
    constexpr unsigned kBits = 12;
    Marks marks(kBits);
    std::set<std::size_t> unpublished;
    std::set<std::size_t> unsaved;
    Random random(7);
    for (int step = 0; step < 5000; ++step) {
        const std::uint64_t what = random.below(100);
        if (what < 96) {
            const auto slot = static_cast<std::uint32_t>(random.below(1U << kBits));
            marks.lines.mark(slot);
            unpublished.insert(slot / 4);
            unsaved.insert(slot / 4);
        } else if (what < 98) {
            REQUIRE(marks.take() == sorted(unpublished));
            unpublished.clear();
        } else {
            REQUIRE(marks.unsaved() == sorted(unsaved));
            if (what == 98) continue;  // As after a write that failed.
            marks.lines.saved();
            unsaved.clear();
        }
    }
}

}  // namespace
}  // namespace millrace::ml
