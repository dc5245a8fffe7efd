#include "operators/learning/train_step.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include <catch2/catch.hpp>

#include "runtime/data/codec.h"
#include "tests/learning/learning_world.h"
#include "tests/support/buffer_world.h"
#include "tests/support/manual_clock.h"

namespace millrace::operators::test {
namespace {

using millrace::test::ManualClock;
using namespace std::chrono_literals;

TrainStep step_for(const std::vector<SharedModel*>& models) {
    std::vector<TrainStep::Target> targets;
    targets.reserve(models.size());
    for (SharedModel* model : models)
        targets.push_back({.model = model, .features_column = kFeaturesColumn});
    return TrainStep(std::move(targets), kLabelColumn, data::Kind::kFloat32);
}

TEST_CASE("A train step teaches each of its models every row once", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& first = world.add_model(click_options("first", 1));
    SharedModel& second = world.add_model(click_options("second", 1));
    const auto seat = world.seat();
    TrainStep step = step_for({&first, &second});
    REQUIRE(step.open(seat->context));
    auto rows = clicks(1, 0, 2000);
    rows[3].label.reset();
    Kept output;
    for (std::size_t at = 0; at < rows.size(); at += 500) {
        const auto batch = click_batch(seat->batches, std::span(rows).subspan(at, 500));
        REQUIRE(*step.process(batch, 0, output) == Progress::kDone);
    }
    REQUIRE(*step.on_end(output) == Progress::kDone);
    step.close();
    PlainModel plain(first);
    for (const Click& row : rows) plain.learn(row);
    REQUIRE(bits_of(first.table()) == plain.bits());
    REQUIRE(bits_of(second.table()) == plain.bits());
    REQUIRE(first.table().counts().learned == 1999);
    REQUIRE(first.table().counts().skipped_label == 1);
    REQUIRE(output.main.empty());
}

TEST_CASE("A model without room does not make the others learn a batch twice", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& free = world.add_model(click_options("free", 1));
    auto options = click_options("slow", 1);
    options.is_evaluated = true;  // And nobody takes what was scored.
    SharedModel& slow = world.add_model(std::move(options));
    const auto seat = world.seat();
    TrainStep step = step_for({&free, &slow});
    REQUIRE(step.open(seat->context));
    const auto rows = clicks(1, 0, 1);
    Kept output;
    for (std::uint32_t i = 0; i < SharedModel::kItems; ++i)
        REQUIRE(*step.process(click_batch(seat->batches, rows), 0, output) == Progress::kDone);
    const auto batch = click_batch(seat->batches, rows);
    REQUIRE(*step.process(batch, 0, output) == Progress::kBlocked);
    REQUIRE(*step.process(batch, 0, output) == Progress::kBlocked);
    std::vector<SharedModel::ScoredRun> runs(1);
    REQUIRE(slow.take_scored(runs) == 1);
    slow.give_back(runs);
    REQUIRE(*step.process(batch, 0, output) == Progress::kDone);
    REQUIRE(free.table().counts().learned == SharedModel::kItems + 1);
    REQUIRE(slow.table().counts().learned == SharedModel::kItems + 1);
    step.close();
}

TEST_CASE("A train step that waits for one model's room has rung the writer of another",
          "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& free = world.add_model(click_options("free", 2));
    auto options = click_options("slow", 2);
    options.is_evaluated = true;  // And nobody takes what was scored.
    SharedModel& slow = world.add_model(std::move(options));
    const auto writer = world.seat(0, 2);
    REQUIRE(free.is_writer(free.attach_trainer(writer->bell)));
    REQUIRE(slow.is_writer(slow.attach_trainer(writer->bell)));
    const auto seat = world.seat(1, 2);
    TrainStep step = step_for({&free, &slow});
    REQUIRE(step.open(seat->context));
    const auto batch = click_batch(seat->batches, clicks(1, 0, 1));
    Kept output;
    for (std::uint32_t i = 0; i < SharedModel::kItems; ++i)
        REQUIRE(*step.process(batch, 0, output) == Progress::kDone);
    free.apply(TimePoint::max());
    slow.apply(TimePoint::max());
    const std::uint64_t rings = writer->bell.rings();
    REQUIRE(*step.process(batch, 0, output) == Progress::kBlocked);
    CHECK(free.has_news());
    CHECK(writer->bell.rings() == rings + 1);
    free.apply(TimePoint::max());
    step.close();
}

TEST_CASE("A train step that applies for the writer sees to what is due, or rings the writer",
          "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(click_options("ctr", 2));
    const auto seat = world.seat(0, 2);
    const auto other = world.seat(1, 2);
    TrainStep writer = step_for({&model});
    TrainStep step = step_for({&model});
    REQUIRE(writer.open(seat->context));
    REQUIRE(step.open(other->context));
    const auto batch = click_batch(other->batches, clicks(1, 0, 5));
    Kept output;
    // The writer applies once, here; then it sleeps, with nothing due.
    REQUIRE(*writer.process(batch, 0, output) == Progress::kDone);
    clock.advance(10s);
    REQUIRE(writer.on_tick(output));
    REQUIRE(writer.next_tick() == TimePoint::max());
    const std::uint64_t rings = seat->bell.rings();
    REQUIRE(*step.process(batch, 0, output) == Progress::kDone);
    REQUIRE(model.table().counts().learned == 10);
    REQUIRE(seat->bell.rings() == rings);
    SECTION("by its own ticks") {
        REQUIRE(step.next_tick() == clock.now() + 100ms);
        clock.advance(100ms);
        REQUIRE(step.on_tick(output));
        REQUIRE(model.view().rows_learned() == 10);
    }
    SECTION("from another thread") {
        std::thread([&] { REQUIRE(step.on_tick(output)); }).join();
        REQUIRE(seat->bell.rings() == rings + 1);
        REQUIRE(step.next_tick() == TimePoint::max());
    }
    SECTION("at its end") {
        REQUIRE(*step.on_end(output) == Progress::kDone);
        REQUIRE(seat->bell.rings() == rings + 1);
    }
    step.close();
    writer.close();
}

// A clock on which a look takes time, as work does.
class CostlyClock final : public Clock {
  public:
    [[nodiscard]] TimePoint now() const override {
        now_ += 300us;
        return now_;
    }
    [[nodiscard]] std::int64_t wall_ms() const override { return 0; }

  private:
    mutable TimePoint now_ = TimePoint(1h);
};

TEST_CASE("A train step that ends leaves no rows behind that others count on it to apply",
          "[learning]") {
    const CostlyClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(click_options("ctr", 2));
    const auto seat = world.seat(0, 2);
    const auto other = world.seat(1, 2);
    TrainStep step = step_for({&model});
    REQUIRE(step.open(seat->context));
    // The other one is not the writer, and now waits to be rung.
    const std::uint32_t trainer = model.attach_trainer(other->bell);
    const auto rows = clicks(1, 0, 1000);
    constexpr std::uint64_t kBatches = 4;
    for (std::uint64_t i = 0; i < kBatches; ++i) {
        SharedModel::WorkItem* item = model.claim(trainer, 0);
        REQUIRE(item != nullptr);
        item->batch = click_batch(other->batches, rows);
        item->features_column = kFeaturesColumn;
        std::copy_n(item->batch->column(kLabelColumn).as<float>(), rows.size(),
                    item->labels.begin());
        model.enqueue(item);
    }
    REQUIRE_FALSE(model.is_drained(trainer));
    Kept output;
    while (*step.on_end(output) == Progress::kYield) {
    }
    CHECK(model.table().counts().learned == kBatches * rows.size());
    CHECK(model.is_drained(trainer));
    model.apply(TimePoint::max());
    step.close();
}

TEST_CASE("A train step keeps a copy of what lies in a network buffer", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    auto options = click_options("ctr", 1);
    options.is_evaluated = true;  // So that the batch stays.
    SharedModel& model = world.add_model(std::move(options));
    const auto seat = world.seat();
    millrace::test::BufferWorld buffers(8);
    const auto rows = clicks(1, 0, 50);
    data::CodecLimits limits;
    limits.buffer_bytes = std::size_t{32} << 10;
    data::SliceEncoder encoder(click_schema(), seat->batches, limits);
    data::SliceDecoder decoder(click_schema(), seat->batches, limits);
    TrainStep step = step_for({&model});
    REQUIRE(step.open(seat->context));
    Kept output;
    encoder.start(click_batch(seat->batches, rows));
    while (!encoder.is_done()) {
        memory::NetworkBuffer buffer = buffers.lend();
        REQUIRE(encoder.encode_next(buffer));
        auto received = decoder.decode(buffer);
        REQUIRE(received);
        if (*received) REQUIRE(*step.process(**received, 0, output) == Progress::kDone);
    }
    REQUIRE(buffers.in_use() == 0);
    step.close();
    PlainModel plain(model);
    for (const Click& row : rows) plain.learn(row);
    REQUIRE(bits_of(model.table()) == plain.bits());
}

TEST_CASE("A train step ticks when its models want to publish", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    auto hasty = click_options("hasty", 1);
    hasty.publish_every = 20ms;
    SharedModel& model = world.add_model(std::move(hasty));
    SharedModel& other = world.add_model(click_options("other", 1));
    const auto seat = world.seat();
    TrainStep step = step_for({&model, &other});
    REQUIRE(step.open(seat->context));
    REQUIRE(step.next_tick() == TimePoint::max());
    Kept output;
    REQUIRE(step.process(click_batch(seat->batches, clicks(1, 0, 5)), 0, output));
    REQUIRE(step.next_tick() == clock.now() + 20ms);
    clock.advance(20ms);
    REQUIRE(step.on_tick(output));
    REQUIRE(model.view().rows_learned() == 5);
    REQUIRE(step.next_tick() == clock.now() + 80ms);
    step.close();
}

}  // namespace
}  // namespace millrace::operators::test
