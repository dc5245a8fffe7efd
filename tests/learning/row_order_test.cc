#include "operators/learning/row_order.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

#include <catch2/catch.hpp>

#include "runtime/base/random.h"
#include "tests/learning/learning_world.h"
#include "tests/support/manual_clock.h"

namespace millrace::operators::test {
namespace {

using millrace::test::ManualClock;
using namespace std::chrono_literals;

constexpr std::uint32_t kBatches = 64;

// A RowOrder over batches of rows that are positions only.
struct OrderWorld {
    OrderWorld() : links(RowOrder::link_count(kBatches)), order(kBatches, links) {}

    void split(std::uint32_t number, std::vector<std::uint32_t> feeds) {
        order.add_split({.split = number, .feeds = std::move(feeds)}, clock.now());
    }
    void admit(std::uint32_t feed, const std::vector<data::Position>& rows) {
        std::vector<Click> made;
        for (const data::Position& row : rows)
            made.push_back({.slots = {0}, .label = 1.0F, .position = row});
        batches.push_back(click_batch(memory.batches(), made));
        order.admit(static_cast<std::uint32_t>(batches.size() - 1), feed, *batches.back(),
                    clock.now());
    }
    // Takes all that is certain.
    std::vector<data::Position> take(std::uint32_t count_max = 1000) {
        std::vector<data::Position> taken;
        while (const auto run = order.next(count_max)) {
            REQUIRE(run->count <= count_max);
            for (std::uint32_t i = 0; i < run->count; ++i)
                taken.push_back(batches[run->handle]->positions().at(run->first_row + i));
        }
        return taken;
    }

    ManualClock clock;
    millrace::test::SlotWorld memory;
    std::vector<data::BatchPtr> batches;
    std::vector<std::uint32_t> links;
    RowOrder order;
};

// The definition: by (running maximum of the timestamp within the split, split, ordinal).
std::vector<data::Position> sorted(std::vector<std::vector<data::Position>> splits) {
    std::vector<std::tuple<std::int64_t, std::int32_t, std::int64_t, data::Position>> keyed;
    for (const auto& split : splits) {
        std::int64_t reached = std::numeric_limits<std::int64_t>::min();
        for (const data::Position& row : split) {
            reached = std::max(reached, row.timestamp_ms);
            keyed.emplace_back(reached, row.split, row.ordinal, row);
        }
    }
    std::sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) {
        return std::tie(std::get<0>(a), std::get<1>(a), std::get<2>(a)) <
               std::tie(std::get<0>(b), std::get<1>(b), std::get<2>(b));
    });
    std::vector<data::Position> rows;
    for (const auto& key : keyed) rows.push_back(std::get<3>(key));
    return rows;
}

std::vector<data::Position> random_split(Random& random, std::int32_t split, std::size_t count) {
    std::vector<data::Position> rows;
    std::int64_t time = 0;
    for (std::size_t i = 0; i < count; ++i) {
        time += static_cast<std::int64_t>(random.below(4)) - 1;
        rows.push_back(
            {.split = split, .ordinal = static_cast<std::int64_t>(2 * i), .timestamp_ms = time});
    }
    return rows;
}

TEST_CASE("Rows come out in canonical order however the feeds interleave", "[learning]") {
    const std::uint64_t seed = GENERATE(range(1, 20));
    Random random(seed);
    OrderWorld world;
    // Splits 0 and 2 come by feed 0, 1 and 5 by feed 1.
    std::vector<std::vector<data::Position>> splits;
    for (const std::int32_t split : {0, 1, 2, 5}) {
        splits.push_back(random_split(random, split, 100 + random.below(300)));
        world.split(static_cast<std::uint32_t>(split), {split % 2 == 0 ? 0U : 1U});
    }
    std::vector<std::size_t> next(4);
    std::vector<data::Position> out;
    const auto take = [&] {
        const auto some = world.take(1 + static_cast<std::uint32_t>(random.below(100)));
        out.insert(out.end(), some.begin(), some.end());
    };
    const auto is_done = [&] {
        for (std::size_t i = 0; i < 4; ++i)
            if (next[i] < splits[i].size()) return false;
        return true;
    };
    while (!is_done()) {
        const std::size_t feed = random.below(2);
        std::vector<data::Position> batch;
        for (std::size_t i = 0; i < 100; ++i) {
            const std::size_t of = random.below(2) * 2 + feed;
            if (next[of] < splits[of].size()) batch.push_back(splits[of][next[of]++]);
        }
        if (!batch.empty()) world.admit(static_cast<std::uint32_t>(feed), batch);
        if (random.below(2) == 0) take();
    }
    world.order.end_feed(1);
    take();
    world.order.end_feed(0);
    take();
    REQUIRE(out == sorted(splits));
    REQUIRE(world.order.rows_waiting() == 0);
}

TEST_CASE("Nothing comes out before every split has spoken or ended", "[learning]") {
    OrderWorld world;
    world.split(3, {0});
    world.split(4, {1});
    world.admit(0, {{3, 0, 10}, {3, 1, 20}});
    REQUIRE(world.take().empty());
    REQUIRE(world.order.waiting()->split == 4);
    world.admit(1, {{4, 0, 15}});
    REQUIRE(world.take() == std::vector<data::Position>{{3, 0, 10}, {4, 0, 15}});
    REQUIRE(world.order.waiting()->split == 4);
    world.order.end_feed(1);
    REQUIRE(world.take() == std::vector<data::Position>{{3, 1, 20}});
    REQUIRE_FALSE(world.order.waiting());
}

TEST_CASE("A split that comes by two feeds ends with the second one", "[learning]") {
    OrderWorld world;
    world.split(0, {0});
    world.split(1, {1, 2});
    world.admit(0, {{0, 0, 5}});
    world.order.end_feed(1);
    REQUIRE(world.take().empty());
    world.order.end_feed(2);
    REQUIRE(world.take().size() == 1);
}

TEST_CASE("A silent split is waited for from the time it was last heard", "[learning]") {
    OrderWorld world;
    const TimePoint begin = world.clock.now();
    world.split(0, {0});
    world.split(1, {1});
    REQUIRE_FALSE(world.order.waiting());
    world.admit(0, {{0, 0, 5}, {0, 1, 50}});
    REQUIRE(world.order.waiting()->until == begin + 30s);
    world.clock.advance(10s);
    world.admit(1, {{1, 0, 6}});
    REQUIRE(world.take().size() == 2);
    REQUIRE(world.order.waiting()->split == 1);
    REQUIRE(world.order.waiting()->until == begin + 40s);
    world.order.excuse_feed(1, begin + 15s);
    REQUIRE(world.order.waiting()->until == begin + 45s);
    world.order.skip(1);
    REQUIRE(world.take() == std::vector<data::Position>{{0, 1, 50}});
    // It takes its place again once it speaks.
    world.admit(1, {{1, 1, 60}});
    world.admit(0, {{0, 2, 55}});
    REQUIRE(world.take() == std::vector<data::Position>{{0, 2, 55}});
    REQUIRE(world.order.waiting()->split == 0);
}

TEST_CASE("Rows of a split that was not announced are taken in", "[learning]") {
    OrderWorld world;
    world.split(0, {0});
    world.admit(0, {{0, 0, 1}, {9, 0, 2}});
    REQUIRE(world.take() == std::vector<data::Position>{{0, 0, 1}});
    world.order.end_feed(0);
    REQUIRE(world.take() == std::vector<data::Position>{{9, 0, 2}});
}

}  // namespace
}  // namespace millrace::operators::test
