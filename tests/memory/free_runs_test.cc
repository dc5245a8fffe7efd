#include "memory/free_runs.h"

#include <catch2/catch.hpp>

#include "runtime/base/random.h"
#include "tests/memory/aborts.h"

namespace millrace::memory {
namespace {

// The obvious way to do the same: one flag a page, and walks over all of them.
class PlainRuns {
  public:
    explicit PlainRuns(std::uint32_t pages) : free_(pages, true) {}

    std::optional<std::uint32_t> lowest(std::uint32_t pages) const {
        for (std::uint32_t first = 0; first + pages <= free_.size(); ++first) {
            if (is_free(first, pages)) return first;
        }
        return std::nullopt;
    }
    std::optional<std::uint32_t> highest_aligned(std::uint32_t pages, std::uint32_t by) const {
        std::optional<std::uint32_t> found;
        for (std::uint32_t first = 0; first + pages <= free_.size(); first += by) {
            if (is_free(first, pages)) found = first;
        }
        return found;
    }
    std::uint32_t longest() const {
        std::uint32_t best = 0;
        std::uint32_t run = 0;
        for (const bool free : free_) {
            run = free ? run + 1 : 0;
            best = std::max(best, run);
        }
        return best;
    }
    void set(std::uint32_t first, std::uint32_t pages, bool free) {
        for (std::uint32_t i = first; i < first + pages; ++i) free_[i] = free;
    }

  private:
    bool is_free(std::uint32_t first, std::uint32_t pages) const {
        for (std::uint32_t i = first; i < first + pages; ++i) {
            if (!free_[i]) return false;
        }
        return true;
    }

    std::vector<bool> free_;
};

}  // namespace

TEST_CASE("FreeRuns joins neighbours when the page between them comes back",
          "[memory][free_runs]") {
    // The documents' example: blocks of 10, 20 and 30 MB, the middle one in use.
    FreeRuns runs(60);
    REQUIRE(runs.take(10) == 0U);
    REQUIRE(runs.take(20) == 10U);
    REQUIRE(runs.take(30) == 30U);
    runs.give(0, 10);
    runs.give(30, 30);
    CHECK(runs.free_pages() == 40);
    CHECK(runs.largest_free() == 30);
    CHECK(runs.fragmentation() == Approx(.25));
    CHECK_FALSE(runs.take(40));
    runs.give(10, 20);
    CHECK(runs.largest_free() == 60);
    CHECK(runs.fragmentation() == 0);
}

TEST_CASE("FreeRuns is full, not broken, when every page is taken", "[memory][free_runs]") {
    const std::uint32_t pages = GENERATE(1U, 63U, 64U, 65U, 128U, 1000U);
    FreeRuns runs(pages);
    CHECK_FALSE(runs.take(pages + 1));
    CHECK(runs.take(pages) == 0U);
    CHECK_FALSE(runs.take(1));
    CHECK_FALSE(runs.take_aligned(1, 1));
    CHECK(runs.largest_free() == 0);
    CHECK(runs.fragmentation() == 0);
}

TEST_CASE("FreeRuns takes small runs from below and aligned ones from above",
          "[memory][free_runs]") {
    FreeRuns runs(1000);
    CHECK(runs.take(3) == 0U);
    CHECK(runs.take_aligned(100, 64) == 896U);
    CHECK(runs.take_aligned(100, 64) == 768U);
    CHECK(runs.take(1) == 3U);
}

TEST_CASE("FreeRuns aborts when a free page is given back", "[memory][free_runs]") {
    FreeRuns runs(200);
    REQUIRE(runs.take(100) == 0U);
    CHECK(aborts([&] { runs.give(100, 1); }));
    CHECK(aborts([&] { runs.give(99, 2); }));
    CHECK(aborts([&] { runs.give(199, 2); }));
    CHECK_FALSE(aborts([&] { runs.give(0, 100); }));
}

TEST_CASE("FreeRuns agrees with a plain search over random histories", "[memory][free_runs]") {
    const std::uint64_t seed = GENERATE(range<std::uint64_t>(1, 30));
    CAPTURE(seed);
    Random random(seed);
    const auto pages = static_cast<std::uint32_t>(1 + random.below(700));
    FreeRuns runs(pages);
    PlainRuns plain(pages);
    std::vector<std::pair<std::uint32_t, std::uint32_t>> taken;
    for (int step = 0; step < 400; ++step) {
        const auto count = static_cast<std::uint32_t>(1 + random.below(random.below(4) ? 8 : 150));
        if (random.below(5) < 2 && !taken.empty()) {
            std::swap(taken[random.below(taken.size())], taken.back());
            const auto [first, length] = taken.back();
            taken.pop_back();
            runs.give(first, length);
            plain.set(first, length, true);
        } else {
            const bool is_aligned = random.below(3) == 0;
            const auto expected =
                is_aligned ? plain.highest_aligned(count, 64) : plain.lowest(count);
            const auto got = is_aligned ? runs.take_aligned(count, 64) : runs.take(count);
            REQUIRE(got == expected);
            if (!got) continue;
            plain.set(*got, count, false);
            taken.emplace_back(*got, count);
        }
        REQUIRE(runs.largest_free() == plain.longest());
    }
}

}  // namespace millrace::memory
