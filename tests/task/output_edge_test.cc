#include "runtime/task/output_edge.h"

#include <deque>
#include <set>

#include <catch2/catch.hpp>

#include "runtime/base/key_groups.h"
#include "runtime/state/key_groups.h"
#include "runtime/task/key_hash.h"
#include "runtime/task/key_hash_edge.h"
#include "runtime/task/local_channel.h"
#include "tests/support/manual_clock.h"
#include "tests/support/slot_world.h"
#include "tests/task/counting_waker.h"
#include "tests/task/rows.h"
#include "tests/task/task_world.h"

namespace millrace::task {
namespace {

using std::chrono::milliseconds;

// An edge over local channels.
class EdgeWorld {
  public:
    EdgeWorld(std::size_t channels, std::size_t window_bytes) {
        for (std::size_t i = 0; i < channels; ++i) {
            LocalChannel& channel = channels_.emplace_back(window_bytes);
            channel.attach_consumer(consumer_);
        }
    }
    std::vector<OutputChannel*> outputs() {
        std::vector<OutputChannel*> outputs;
        for (LocalChannel& channel : channels_) outputs.push_back(&channel);
        return outputs;
    }
    void use(std::unique_ptr<OutputEdge> edge) {
        edge_ = std::move(edge);
        edge_->attach(producer_);
    }
    OutputEdge& edge() { return *edge_; }
    LocalChannel& channel(std::size_t i) { return channels_[i]; }
    test::ManualClock& clock() { return clock_; }
    test::SlotWorld& memory() { return world_; }

    data::BatchPtr rows(std::int64_t first, std::int64_t count = 1) {
        return test::make_rows(world_.batches(), 0, first, count);
    }
    void place(std::int64_t first, std::int64_t count = 1) {
        REQUIRE(edge_->place(rows(first, count), clock_.now()).has_value());
    }
    void place_control(data::Element element) {
        REQUIRE(edge_->place_control(std::move(element), clock_.now()).has_value());
    }
    void advance() { REQUIRE(edge_->advance(clock_.now()).has_value()); }

    std::string drain(std::size_t i) { return test::drain(channels_[i]); }

  private:
    test::SlotWorld world_;
    test::ManualClock clock_;
    test::CountingWaker producer_;
    test::CountingWaker consumer_;
    std::deque<LocalChannel> channels_;
    std::unique_ptr<OutputEdge> edge_;
};

data::CheckpointBarrier barrier(std::uint64_t id) {
    return {.checkpoint_id = id, .triggered_at_ms = 0};
}

TEST_CASE("A rebalance edge hands whole batches out in turn among equal channels",
          "[task][output_edge]") {
    EdgeWorld world(3, 1 << 20);
    world.use(make_rebalance_edge(world.outputs()));
    for (int i = 0; i < 4; ++i) {
        world.place(10 * i, 3);
        for (std::size_t c = 0; c < 3; ++c) {
            const std::string expected = c == static_cast<std::size_t>(i) % 3
                                             ? fmt::format("{}..{}", 10 * i, 10 * i + 2)
                                             : "";
            REQUIRE(world.drain(c) == expected);
        }
    }
}

TEST_CASE("A rebalance edge prefers the channel with the widest free window",
          "[task][output_edge]") {
    EdgeWorld world(2, 1 << 20);
    world.use(make_rebalance_edge(world.outputs()));
    world.place(0, 100);  // To channel 0.
    world.place(100, 10);
    world.place(110, 10);  // Channel 1 still has more room.
    REQUIRE(world.drain(0) == "0..99");
    REQUIRE(world.drain(1) == "100..109 110..119");
}

TEST_CASE("A rebalance edge has room while any channel has, and uses only those",
          "[task][output_edge]") {
    EdgeWorld world(3, 1);
    world.use(make_rebalance_edge(world.outputs()));
    std::set<std::string> used;
    for (int i = 0; i < 3; ++i) {
        REQUIRE(world.edge().has_room());
        world.place(i);
    }
    REQUIRE_FALSE(world.edge().has_room());
    REQUIRE(world.edge().blocking_channel() == 0);
    (void)world.channel(1).poll();
    REQUIRE(world.edge().has_room());
    world.place(9);
    REQUIRE(world.drain(1) == "9");
}

TEST_CASE("A broadcast edge needs room everywhere and gives everybody the same batch",
          "[task][output_edge]") {
    EdgeWorld world(2, 1);
    world.use(make_broadcast_edge(world.outputs()));
    world.place(4);
    REQUIRE_FALSE(world.edge().has_room());
    REQUIRE(world.drain(0) == "4");
    REQUIRE_FALSE(world.edge().has_room());
    REQUIRE(world.drain(1) == "4");
    REQUIRE(world.edge().has_room());
}

TEST_CASE("Barriers and the end go to every channel, behind what was placed before",
          "[task][output_edge]") {
    EdgeWorld world(2, 1 << 20);
    world.use(make_rebalance_edge(world.outputs()));
    world.place(1);
    world.place_control(barrier(1));
    world.place(2);
    world.place_control(data::EndOfInput{});
    REQUIRE(world.drain(0) == "1 b1 end");
    REQUIRE(world.drain(1) == "b1 2 end");
    REQUIRE(world.edge().is_settled());
}

TEST_CASE("Barriers pass a channel whose window is full", "[task][output_edge]") {
    EdgeWorld world(1, 1);
    world.use(make_forward_edge(world.channel(0)));
    world.place(1);
    REQUIRE_FALSE(world.edge().has_room());
    world.place_control(barrier(1));
    REQUIRE(world.drain(0) == "1 b1");
}

TEST_CASE("A watermark waits for room; only the newest is kept", "[task][output_edge]") {
    EdgeWorld world(1, 1);
    world.use(make_forward_edge(world.channel(0)));
    world.place(1);
    for (int i = 0; i < 1000; ++i) {
        world.edge().place(data::Watermark{i});
        world.advance();
    }
    REQUIRE(world.drain(0) == "1");
    world.advance();
    REQUIRE(world.drain(0) == "w999");
}

TEST_CASE("That an output is idle, or no longer, is not lost beside a time that it had before",
          "[task][output_edge]") {
    EdgeWorld world(1, 1);
    world.use(make_rebalance_edge(world.outputs()));
    world.place(1);
    world.edge().place(data::Watermark{5});
    world.edge().place(data::Watermark{data::kNoEventTime, true});
    REQUIRE(world.drain(0) == "1");
    world.advance();
    REQUIRE(world.drain(0) == "i5");
    world.edge().place(data::Watermark{5, true});
    world.edge().place(data::Watermark{5});
    world.advance();
    REQUIRE(world.drain(0) == "w5");
}

TEST_CASE("A watermark goes before the barrier that was placed after it", "[task][output_edge]") {
    EdgeWorld world(1, 1);
    world.use(make_forward_edge(world.channel(0)));
    world.place(1);
    world.edge().place(data::Watermark{5});
    world.place_control(barrier(1));
    REQUIRE(world.drain(0) == "1 w5 b1");
}

TEST_CASE("An edge keeps a barrier back where a queue is full, and takes no batch meanwhile",
          "[task][output_edge]") {
    EdgeWorld world(2, 1 << 20);
    world.use(make_rebalance_edge(world.outputs()));
    std::uint64_t id = 0;
    while (world.channel(0).has_control_room()) world.channel(0).push(barrier(++id));
    world.place_control(barrier(100));
    REQUIRE_FALSE(world.edge().has_room());
    REQUIRE_FALSE(world.edge().is_settled());
    REQUIRE(world.drain(1) == "b100");  // The other one is not held up.
    (void)world.drain(0);
    world.advance();
    REQUIRE(world.drain(0) == "b100");
    REQUIRE(world.drain(1).empty());
    REQUIRE(world.edge().has_room());
}

TEST_CASE("An edge holds at most kHeldControlMax barriers", "[task][output_edge]") {
    EdgeWorld world(1, 1);
    world.use(make_forward_edge(world.channel(0)));
    while (world.channel(0).has_control_room()) world.channel(0).push(barrier(1));
    for (std::size_t i = 0; i < OutputEdge::kHeldControlMax; ++i) {
        REQUIRE(world.edge().has_control_room());
        world.place_control(barrier(10 + i));
    }
    REQUIRE_FALSE(world.edge().has_control_room());
    (void)world.drain(0);
    world.advance();
    REQUIRE(world.drain(0) == "b10 b11 b12 b13 b14 b15 b16 b17");
}

// Where rows 0..count-1 of split 0 belong among `parallelism` subtasks.
std::vector<std::set<std::int64_t>> owners(EdgeWorld& world, std::int64_t count,
                                           std::uint32_t parallelism) {
    const data::BatchPtr batch = world.rows(0, count);
    std::vector<std::uint32_t> hashes(batch->rows());
    const std::size_t key = 0;
    hash_keys(*batch, std::span(&key, 1), hashes);
    std::vector<std::set<std::int64_t>> owners(parallelism);
    for (std::size_t row = 0; row < hashes.size(); ++row) {
        owners[state::subtask_of(state::key_group_of(hashes[row], kKeyGroups), parallelism,
                                 kKeyGroups)]
            .insert(static_cast<std::int64_t>(row));
    }
    return owners;
}

std::set<std::int64_t> rows_in(EdgeWorld& world, std::size_t channel) {
    std::set<std::int64_t> rows;
    while (auto element = world.channel(channel).poll()) {
        if (const auto* batch = std::get_if<data::BatchPtr>(&*element)) {
            for (const std::int64_t ordinal : test::ordinals_of(**batch)) rows.insert(ordinal);
        }
    }
    return rows;
}

TEST_CASE("A key hash edge sends each row to the owner of its key", "[task][key_hash_edge]") {
    const std::uint32_t parallelism = GENERATE(1U, 2U, 3U, 7U, 128U);
    EdgeWorld world(parallelism, 1 << 20);
    world.use(make_key_hash_edge(world.outputs(), world.memory().batches(), {.key_columns = {0}}));
    world.place(0, 900);
    world.place_control(data::EndOfInput{});
    const auto expected = owners(world, 900, parallelism);
    for (std::uint32_t c = 0; c < parallelism; ++c) REQUIRE(rows_in(world, c) == expected[c]);
}

TEST_CASE("A key hash edge merges small batches until the first row has lingered",
          "[task][key_hash_edge]") {
    EdgeWorld world(2, 1 << 20);
    world.use(make_key_hash_edge(world.outputs(), world.memory().batches(), {.key_columns = {0}}));
    REQUIRE(world.edge().next_tick() == TimePoint::max());
    const TimePoint begin = world.clock().now();
    for (int i = 0; i < 20; ++i) {
        world.place(i * 5, 5);
        world.clock().advance(Duration(50'000));
        world.advance();
    }
    REQUIRE(world.edge().next_tick() == begin + milliseconds(2));
    REQUIRE_FALSE(world.channel(0).poll().has_value());
    world.clock().advance_to(world.edge().next_tick());
    world.advance();
    std::size_t rows = 0;
    for (std::size_t c = 0; c < 2; ++c) {
        const auto element = world.channel(c).poll();
        REQUIRE(element.has_value());
        rows += std::get<data::BatchPtr>(*element)->rows();
        REQUIRE_FALSE(world.channel(c).poll().has_value());
    }
    REQUIRE(rows == 100);
    REQUIRE(world.edge().next_tick() == TimePoint::max());
}

TEST_CASE("A key hash edge hands a batch with one owner on by reference", "[task][key_hash_edge]") {
    EdgeWorld world(1, 1 << 20);
    world.use(make_key_hash_edge(world.outputs(), world.memory().batches(), {.key_columns = {0}}));
    const data::BatchPtr batch = world.rows(0, 500);
    REQUIRE(world.edge().place(batch, world.clock().now()).has_value());
    REQUIRE(std::get<data::BatchPtr>(*world.channel(0).poll()).get() == batch.get());
}

TEST_CASE("A key hash edge keeps a barrier behind the rows of its own channel",
          "[task][key_hash_edge]") {
    EdgeWorld world(2, 1);
    world.use(make_key_hash_edge(world.outputs(), world.memory().batches(), {.key_columns = {0}}));
    world.channel(0).push(world.rows(777));  // Fills the window of channel 0.
    world.place(0, 40);
    world.place_control(barrier(1));
    REQUIRE_FALSE(world.edge().has_room());
    const auto expected = owners(world, 40, 2);
    REQUIRE(rows_in(world, 1) == expected[1]);  // With its barrier behind.
    REQUIRE(world.drain(0) == "777");
    world.advance();
    auto rows = world.channel(0).poll();
    REQUIRE(rows.has_value());
    REQUIRE(std::get<data::BatchPtr>(*rows)->rows() == expected[0].size());
    REQUIRE(world.drain(0) == "b1");
    REQUIRE(world.edge().has_room());
}

TEST_CASE("A key hash edge sends a watermark only behind the rows before it",
          "[task][key_hash_edge]") {
    EdgeWorld world(2, 1 << 20);
    world.use(make_key_hash_edge(world.outputs(), world.memory().batches(), {.key_columns = {0}}));
    world.place(0, 40);
    world.edge().place(data::Watermark{39});
    world.advance();
    REQUIRE(world.drain(0).empty());
    world.clock().advance(milliseconds(2));
    world.advance();
    REQUIRE(std::holds_alternative<data::BatchPtr>(*world.channel(0).poll()));
    REQUIRE(world.drain(0) == "w39");
}

TEST_CASE("One slow subtask stops a key hash edge", "[task][key_hash_edge]") {
    EdgeWorld world(3, 1);
    world.use(make_key_hash_edge(world.outputs(), world.memory().batches(), {.key_columns = {0}}));
    REQUIRE(world.edge().has_room());
    world.channel(2).push(world.rows(1));
    REQUIRE_FALSE(world.edge().has_room());
    REQUIRE(world.edge().blocking_channel() == 2);
}

TEST_CASE("A key hash edge keeps a bounded number of bytes alive", "[task][key_hash_edge]") {
    EdgeWorld world(128, std::size_t{1} << 30);
    world.use(make_key_hash_edge(world.outputs(), world.memory().batches(),
                                 {.key_columns = {0}, .linger = std::chrono::hours(1)}));
    std::size_t most = 0;
    for (std::int64_t i = 0; i < 1000; ++i) {
        world.place(i * 100, 100);
        for (std::size_t c = 0; c < 128; ++c) (void)rows_in(world, c);
        most = std::max(most, world.memory().manager().bytes_in_pages());
    }
    // What is held, and one merged batch of one page for each channel while it is sent.
    const std::size_t page = world.memory().batches().page_bytes();
    REQUIRE(most > kHeldBytesMax / 2);
    REQUIRE(most <= kHeldBytesMax + 130 * page);
}

TEST_CASE("A key hash edge does not hold large rows back for the sake of their number",
          "[task][key_hash_edge]") {
    EdgeWorld world(1, std::size_t{1} << 30);
    world.use(make_key_hash_edge(world.outputs(), world.memory().batches(),
                                 {.key_columns = {0}, .linger = std::chrono::hours(1)}));
    const std::string text(100'000, 'x');
    std::size_t most = 0;
    for (std::int64_t i = 0; i < 100; ++i) {
        data::BatchBuilder builder(test::row_schema(), world.memory().batches());
        REQUIRE(builder.begin());
        builder.set_int64(0, i);
        REQUIRE(builder.set_text(1, text));
        builder.end_row({.split = 0, .ordinal = i});
        REQUIRE(world.edge().place(builder.finish(), world.clock().now()));
        (void)rows_in(world, 0);
        most = std::max(most, world.memory().manager().bytes_in_pages());
    }
    REQUIRE(most <= kHeldBytesMax);
}

}  // namespace
}  // namespace millrace::task
