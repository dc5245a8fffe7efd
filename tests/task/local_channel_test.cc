#include "runtime/task/local_channel.h"

#include <thread>

#include <catch2/catch.hpp>

#include "runtime/base/random.h"
#include "tests/support/eventually.h"
#include "tests/support/slot_world.h"
#include "tests/task/counting_waker.h"
#include "tests/task/rows.h"

namespace millrace::task {
namespace {

using test::CountingWaker;
using test::SlotWorld;

struct Channel {
    explicit Channel(std::size_t window) : local(window) {
        local.attach_producer(producer);
        local.attach_consumer(consumer);
    }
    CountingWaker producer;
    CountingWaker consumer;
    LocalChannel local;
};

data::BatchPtr rows(SlotWorld& world, std::int64_t first = 0, std::int64_t count = 10) {
    return test::make_rows(world.batches(), 0, first, count);
}

std::int64_t first_ordinal(const std::optional<data::Element>& element) {
    return std::get<data::BatchPtr>(*element)->positions().ordinal[0];
}

data::CheckpointBarrier barrier(std::uint64_t id) {
    return {.checkpoint_id = id, .triggered_at_ms = 0};
}

TEST_CASE("LocalChannel hands elements on in order, batches by reference",
          "[task][local_channel]") {
    SlotWorld world;
    Channel channel(1 << 20);
    const data::BatchPtr batch = rows(world);
    channel.local.push(batch);
    channel.local.push(data::Watermark{5});
    channel.local.push(barrier(2));
    channel.local.push(data::EndOfInput{});
    REQUIRE(std::get<data::BatchPtr>(*channel.local.poll()).get() == batch.get());
    REQUIRE(std::get<data::Watermark>(*channel.local.poll()) == data::Watermark{5});
    REQUIRE(std::get<data::CheckpointBarrier>(*channel.local.poll()) == barrier(2));
    REQUIRE(std::holds_alternative<data::EndOfInput>(*channel.local.poll()));
    REQUIRE_FALSE(channel.local.poll().has_value());
}

TEST_CASE("LocalChannel has room below its window, and counts what waits",
          "[task][local_channel]") {
    SlotWorld world;
    const std::size_t bytes = rows(world)->bytes();
    Channel channel(2 * bytes);
    REQUIRE(channel.local.free_window() == 2 * bytes);
    channel.local.push(rows(world));
    REQUIRE(channel.local.free_window() == bytes);
    REQUIRE(channel.local.has_room());
    channel.local.push(rows(world));
    REQUIRE(channel.local.queued_bytes() == 2 * bytes);
    REQUIRE_FALSE(channel.local.has_room());
    REQUIRE(channel.local.free_window() == 0);
    (void)channel.local.poll();
    REQUIRE(channel.local.has_room());
}

TEST_CASE("LocalChannel takes one batch larger than its window", "[task][local_channel]") {
    SlotWorld world;
    Channel channel(1);
    REQUIRE(channel.local.has_room());
    channel.local.push(rows(world));
    REQUIRE_FALSE(channel.local.has_room());
}

TEST_CASE("LocalChannel keeps slots for control elements when batches fill it",
          "[task][local_channel]") {
    SlotWorld world;
    Channel channel(1 << 30);
    std::size_t batches = 0;
    while (channel.local.has_room()) {
        channel.local.push(rows(world, 0, 1));
        ++batches;
    }
    REQUIRE(batches == LocalChannel::kSlots - LocalChannel::kControlSlots);
    for (std::size_t i = 0; i < LocalChannel::kControlSlots; ++i) {
        REQUIRE(channel.local.has_control_room());
        channel.local.push(barrier(i));
    }
    REQUIRE_FALSE(channel.local.has_control_room());
}

TEST_CASE("LocalChannel rings its consumer for every push", "[task][local_channel]") {
    Channel channel(1);
    channel.local.push(data::Watermark{1});
    channel.local.push(data::Watermark{2});
    REQUIRE(channel.consumer.rings() == 2);
}

TEST_CASE("LocalChannel rings a waiting producer once, when the ring is half empty",
          "[task][local_channel]") {
    SlotWorld world;
    const std::size_t bytes = rows(world)->bytes();
    Channel channel(4 * bytes);
    for (int i = 0; i < 4; ++i) channel.local.push(rows(world));
    (void)channel.local.poll();
    REQUIRE(channel.producer.rings() == 0);  // It never asked for room in vain.
    channel.local.push(rows(world));
    REQUIRE_FALSE(channel.local.has_room());
    (void)channel.local.poll();
    REQUIRE(channel.producer.rings() == 0);
    (void)channel.local.poll();
    REQUIRE(channel.producer.rings() == 1);
    (void)channel.local.poll();
    REQUIRE(channel.producer.rings() == 1);
}

TEST_CASE("LocalChannel gives its batches back when it is destroyed", "[task][local_channel]") {
    SlotWorld world;
    {
        Channel channel(1 << 20);
        channel.local.push(rows(world));
    }
    REQUIRE(world.manager().bytes_in_pages() == 0);
}

TEST_CASE("LocalChannel keeps order over the end of its ring", "[task][local_channel]") {
    SlotWorld world;
    Channel channel(1 << 20);
    std::int64_t pushed = 0;
    std::int64_t polled = 0;
    for (int round = 0; round < 100; ++round) {
        for (int i = 0; i < 3; ++i) channel.local.push(rows(world, pushed++, 1));
        for (int i = 0; i < 3; ++i) REQUIRE(first_ordinal(channel.local.poll()) == polled++);
    }
}

class Bell final : public Waker {
  public:
    void wake() noexcept override {
        rings_.fetch_add(1);
        rings_.notify_one();
    }
    void wait(int heard) { rings_.wait(heard); }
    [[nodiscard]] int heard() const { return rings_.load(); }

  private:
    std::atomic<int> rings_{0};
};

// Both sides sleep on nothing but the other's ring: a lost one would hang the test.
TEST_CASE("LocalChannel loses neither elements nor rings between two threads",
          "[task][local_channel][threads]") {
    constexpr std::int64_t kBatches = 50'000;
    // Where others take the processor between two batches, fewer come through: those are checked.
    const support::Deadline enough(std::chrono::seconds(4));
    SlotWorld world;
    const data::BatchPtr batch = rows(world);
    Bell producer_bell;
    Bell consumer_bell;
    // A window of one batch makes every poll the last chance for a ring; a consumer that does not
    // sleep at once polls just when the producer looks for room. It does sleep in the end, or a
    // producer on the same processor would wait for its turn at every batch.
    LocalChannel channel(GENERATE(std::size_t{1}, std::size_t{2000}));
    const int looks_max = GENERATE(0, 100);
    Random random(1);
    channel.attach_producer(producer_bell);
    channel.attach_consumer(consumer_bell);
    std::int64_t pushed = 0;
    std::thread producer([&] {
        std::int64_t i = 0;
        while (i < kBatches && (i % 100 != 99 || !enough.passed())) {
            const int heard = producer_bell.heard();
            if (!channel.has_room()) {
                producer_bell.wait(heard);
                continue;
            }
            if (i % 7 == 0) channel.push(data::Watermark{i});
            channel.push(batch);
            ++i;
            for (std::uint64_t n = random.below(100); n > 0; --n) {
                std::atomic_signal_fence(std::memory_order_seq_cst);
            }
        }
        pushed = i;
        channel.push(data::EndOfInput{});
    });
    std::int64_t batches = 0;
    std::int64_t watermarks = 0;
    int looks = 0;  // That found nothing, in a row.
    for (bool ended = false; !ended;) {
        const int heard = consumer_bell.heard();
        const auto element = channel.poll();
        if (!element) {
            if (++looks > looks_max) consumer_bell.wait(heard);
            continue;
        }
        looks = 0;
        batches += std::holds_alternative<data::BatchPtr>(*element) ? 1 : 0;
        watermarks += std::holds_alternative<data::Watermark>(*element) ? 1 : 0;
        ended = std::holds_alternative<data::EndOfInput>(*element);
    }
    producer.join();
    REQUIRE(batches == pushed);
    REQUIRE(watermarks == (pushed + 6) / 7);
    REQUIRE(channel.queued_bytes() == 0);
}

}  // namespace
}  // namespace millrace::task
