#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <tuple>
#include <vector>

#include <catch2/catch.hpp>

#include "ml/canonical_order.h"
#include "ml/order_log.h"
#include "runtime/base/random.h"

namespace millrace::ml {
namespace {

TEST_CASE("OrderLog joins rows of one split and keeps splits apart", "[ml][order_log]") {
    std::vector<OrderRun> memory(8);
    OrderLog log(memory);
    REQUIRE(log.append(3, 5));
    REQUIRE(log.append(3, 2));
    REQUIRE(log.append(1, 1));
    REQUIRE(log.append_skip(3));
    REQUIRE(log.append(3, 1));
    const std::vector<OrderRun> expected{{3, 7}, {1, 1}, {3, 0}, {3, 1}};
    REQUIRE(std::ranges::equal(log.runs(), expected));
    log.clear();
    REQUIRE(log.runs().empty());
}

TEST_CASE("OrderLog refuses a run that its memory has no room for", "[ml][order_log]") {
    std::vector<OrderRun> memory(2);
    OrderLog log(memory);
    REQUIRE(log.append(1, 1));
    REQUIRE(log.append(2, 1));
    REQUIRE_FALSE(log.append(1, 1));
    REQUIRE_FALSE(log.append_skip(1));
    REQUIRE(log.append(2, 9));
    REQUIRE(log.runs()[1].count == 10);
}

TEST_CASE("OrderLog begins a new run rather than overflow a count", "[ml][order_log]") {
    std::vector<OrderRun> memory(2);
    OrderLog log(memory);
    REQUIRE(log.append(1, std::numeric_limits<std::uint32_t>::max()));
    REQUIRE(log.append(1, 1));
    REQUIRE(log.runs().size() == 2);
}

// A row as (split, place in the split).
using Place = std::tuple<std::uint32_t, std::uint64_t>;

void drain(CanonicalOrder& order, std::vector<Place>& out) {
    while (const auto run = order.next(7)) {
        for (std::uint32_t i = 0; i < run->count; ++i) {
            out.emplace_back(run->split, run->handle * 5 + run->first_row + i);
        }
    }
}

using Input = std::vector<std::vector<std::int64_t>>;  // Timestamps by split.

Input random_input(std::uint64_t seed) {
    Random random(seed);
    Input input(4);
    for (std::size_t split = 0; split < input.size(); ++split) {
        const std::uint64_t rows = split == 2 ? 0 : random.below(200);
        for (std::uint64_t r = 0; r < rows; ++r) {
            input[split].push_back(static_cast<std::int64_t>(r * 3 + random.below(20)));
        }
    }
    return input;
}

// By the definition: sort all rows by (running maximum, split, ordinal).
std::vector<Place> sorted(const Input& input) {
    std::vector<std::tuple<std::int64_t, std::uint32_t, std::uint64_t>> keys;
    for (std::uint32_t split = 0; split < input.size(); ++split) {
        std::int64_t reached = std::numeric_limits<std::int64_t>::min();
        for (std::uint64_t r = 0; r < input[split].size(); ++r) {
            reached = std::max(reached, input[split][r]);
            keys.emplace_back(reached, split, r);
        }
    }
    std::ranges::sort(keys);
    std::vector<Place> places;
    for (const auto& [reached, split, row] : keys) places.emplace_back(split, row);
    return places;
}

// Feeds batches of 5 rows of the splits in random order, through rings of 8 rows.
std::vector<Place> merged(const Input& input, std::uint64_t seed) {
    Random random(seed);
    CanonicalOrder order(8);
    for (const std::uint32_t split : {2U, 0U, 3U, 1U}) order.add_split(split);
    std::vector<Place> out;
    std::vector<std::size_t> fed(input.size(), 0);
    std::vector<bool> ended(input.size(), false);
    while (std::ranges::count(ended, false) > 0) {
        const auto split = static_cast<std::uint32_t>(random.below(input.size()));
        if (ended[split]) continue;
        const std::size_t at = fed[split];
        if (at == input[split].size()) {
            order.end(split);
            ended[split] = true;
        } else {
            const std::size_t row = at % 5;
            const std::size_t count = std::min<std::size_t>(5 - row, input[split].size() - at);
            fed[split] += order.push(split, at / 5, static_cast<std::uint32_t>(row),
                                     std::span(input[split]).subspan(at, count));
        }
        drain(order, out);
    }
    return out;
}

TEST_CASE("CanonicalOrder gives one order for every way of arriving", "[ml][canonical_order]") {
    const std::uint64_t seed = GENERATE(range(1U, 21U));
    CAPTURE(seed);
    const Input input = random_input(seed);
    const std::vector<Place> expected = sorted(input);
    REQUIRE(merged(input, seed * 100) == expected);
    REQUIRE(merged(input, seed * 100 + 1) == expected);
}

TEST_CASE("CanonicalOrder keeps a single split in its own order", "[ml][canonical_order]") {
    CanonicalOrder order(8);
    order.add_split(9);
    const std::array<std::int64_t, 3> times{30, 10, 20};
    REQUIRE(order.push(9, 1, 4, times) == 3);
    const auto run = order.next(100);
    REQUIRE(run);
    CHECK(run->first_row == 4);
    CHECK(run->count == 3);
    CHECK(order.rows_waiting() == 0);
}

TEST_CASE("CanonicalOrder waits for a silent split until it is dry", "[ml][canonical_order]") {
    CanonicalOrder order(8);
    order.add_split(0);
    order.add_split(1);
    const std::array<std::int64_t, 2> times{5, 6};
    order.push(0, 0, 0, times);
    REQUIRE_FALSE(order.next(9));
    REQUIRE(order.waiting_for() == 1U);
    REQUIRE(order.mark_dry(1));
    REQUIRE(order.next(9)->count == 2);
    REQUIRE_FALSE(order.waiting_for() == 1U);

    // It speaks again, with an older row: that one is next.
    const std::array<std::int64_t, 1> late{1};
    order.push(1, 0, 0, late);
    const auto run = order.next(9);
    REQUIRE(run);
    CHECK(run->split == 1);
}

TEST_CASE("CanonicalOrder does not call a split dry while it has rows", "[ml][canonical_order]") {
    CanonicalOrder order(8);
    order.add_split(0);
    const std::array<std::int64_t, 1> times{5};
    order.push(0, 0, 0, times);
    REQUIRE_FALSE(order.mark_dry(0));
    REQUIRE(order.next(1));
    order.end(0);
    REQUIRE_FALSE(order.mark_dry(0));
}

TEST_CASE("CanonicalOrder takes no more rows than fit", "[ml][canonical_order]") {
    CanonicalOrder order(3);
    order.add_split(0);
    order.add_split(1);
    const std::array<std::int64_t, 5> times{1, 2, 3, 4, 5};
    REQUIRE(order.push(0, 0, 0, times) == 3);
    REQUIRE(order.push(0, 0, 3, std::span(times).subspan(3)) == 0);
    const std::array<std::int64_t, 1> later{3};
    order.push(1, 0, 0, later);
    REQUIRE(order.next(9)->count == 3);  // (3, 0) precedes (3, 1)
    REQUIRE(order.push(0, 0, 3, std::span(times).subspan(3)) == 2);
}

}  // namespace
}  // namespace millrace::ml
