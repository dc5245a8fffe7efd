#include "operators/learning/train_step.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "proto/control.pb.h"
#include "runtime/base/random.h"
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

// The first and the second of two steps that train the same models, open.
struct TwoSteps {
    TwoSteps(LearningWorld& world, const std::vector<SharedModel*>& models)
        : first_seat(world.seat(0, 2)),
          second_seat(world.seat(1, 2)),
          first(step_for(models)),
          second(step_for(models)) {
        MILLRACE_CHECK(first.open(first_seat->context).has_value());
        MILLRACE_CHECK(second.open(second_seat->context).has_value());
    }
    ~TwoSteps() {
        second.close();
        first.close();
    }

    std::unique_ptr<Seat> first_seat;
    std::unique_ptr<Seat> second_seat;
    TrainStep first;
    TrainStep second;
};

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
    const std::uint32_t trainer = free.attach_trainer(writer->bell);
    REQUIRE(slow.attach_trainer(writer->bell) == trainer);
    const auto seat = world.seat(1, 2);
    TrainStep step = step_for({&free, &slow});
    REQUIRE(step.open(seat->context));
    const auto batch = click_batch(seat->batches, clicks(1, 0, 1));
    Kept output;
    for (std::uint32_t i = 0; i < SharedModel::kItems; ++i)
        REQUIRE(*step.process(batch, 0, output) == Progress::kDone);
    std::thread([&] {
        free.apply(trainer, TimePoint::max());
        slow.apply(trainer, TimePoint::max());
    }).join();
    const std::uint64_t rings = writer->bell.rings();
    REQUIRE(*step.process(batch, 0, output) == Progress::kBlocked);
    CHECK(free.has_news());
    CHECK(writer->bell.rings() == rings + 1);
    free.apply(trainer, TimePoint::max());
    step.close();
}

TEST_CASE("Train steps that wait for room in each other's models let each other sleep",
          "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    std::vector<SharedModel*> models;
    for (const char* name : {"one", "two"}) {
        auto options = click_options(name, 2);
        options.is_evaluated = true;  // And nobody takes what was scored.
        models.push_back(&world.add_model(std::move(options)));
    }
    TwoSteps steps(world, models);
    auto& [seat, other, here, there] = steps;
    const auto batch = click_batch(seat->batches, clicks(1, 0, 1));
    Kept output;
    for (std::uint32_t i = 0; i < SharedModel::kItems; ++i)
        REQUIRE(*here.process(batch, 0, output) == Progress::kDone);
    // The second model's writer is the other step, on another thread.
    models[1]->apply(1, TimePoint::max());
    std::thread([&] { REQUIRE(there.on_tick(output)); }).join();
    REQUIRE(models[0]->is_writer(0));
    REQUIRE(models[1]->is_writer(1));
    const std::uint64_t rings = seat->bell.rings() + other->bell.rings();
    REQUIRE(*here.process(batch, 0, output) == Progress::kBlocked);
    std::thread([&] { REQUIRE(*there.process(batch, 0, output) == Progress::kBlocked); }).join();
    CHECK(seat->bell.rings() + other->bell.rings() == rings);
}

TEST_CASE("A train step that applies in the writer's place sees to what is due", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(click_options("ctr", 2));
    TwoSteps steps(world, {&model});
    auto& [seat, other, writer, step] = steps;
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
    const TimePoint due = clock.now() + 100ms;
    REQUIRE(step.next_tick() == due);
    REQUIRE(writer.next_tick() == TimePoint::max());
    clock.advance(100ms);
    SECTION("by its own ticks") {
        REQUIRE(step.on_tick(output));
        REQUIRE(model.view().rows_learned() == 10);
    }
    SECTION("on another thread, too") {
        std::thread([&] { REQUIRE(step.on_tick(output)); }).join();
        REQUIRE(model.view().rows_learned() == 10);
    }
    SECTION("until somebody takes its place") {
        REQUIRE(writer.on_tick(output));
        REQUIRE(model.view().rows_learned() == 10);
        REQUIRE(writer.next_tick() == due - 100ms + SharedModel::kQuiet);
        REQUIRE(step.next_tick() == TimePoint::max());
    }
    SECTION("or until its end, when the next writer is rung") {
        REQUIRE(model.is_writer(1));
        REQUIRE(*step.on_end(output) == Progress::kDone);
        REQUIRE(seat->bell.rings() == rings + 1);
        REQUIRE(writer.next_tick() == due - 100ms + SharedModel::kQuiet);
    }
}

TEST_CASE("A train step on another thread than the writer's rings it and sees to nothing",
          "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(click_options("ctr", 2));
    TwoSteps steps(world, {&model});
    auto& [seat, other, writer, step] = steps;
    const auto batch = click_batch(other->batches, clicks(1, 0, 5));
    Kept output;
    REQUIRE(*writer.process(batch, 0, output) == Progress::kDone);
    std::thread([&] {
        REQUIRE(*step.process(batch, 0, output) == Progress::kDone);
        REQUIRE(step.next_tick() == TimePoint::max());
    }).join();
    REQUIRE(model.table().counts().learned == 5);
    REQUIRE(seat->bell.rings() == 1);
    REQUIRE(writer.next_tick() == TimePoint::min());
    REQUIRE(writer.on_tick(output));
    REQUIRE(model.table().counts().learned == 10);
}

// Steps of one model, stepped by two threads as workers do: on a ring, on a tick, on a batch.
class Workers {
  public:
    Workers(LearningWorld& world, SharedModel& model, std::uint32_t steps) : clock_(world.clock()) {
        for (std::uint32_t i = 0; i < steps; ++i) {
            Worked& one = *steps_.emplace_back(std::make_unique<Worked>(step_for({&model})));
            one.seat = world.seat(i, steps);
            one.batch = click_batch(one.seat->batches, clicks(i + 1, 0, 3));
            MILLRACE_CHECK(one.step.open(one.seat->context).has_value());
        }
        for (std::uint32_t home = 0; home < 2; ++home)
            threads_.emplace_back([this, home](const std::stop_token& stop) { run(home, stop); });
    }
    ~Workers() {
        threads_.clear();
        for (const auto& one : steps_) one->step.close();
    }
    void move(std::uint32_t step, std::uint32_t home) { steps_[step]->home = home; }
    void give_batch(std::uint32_t step) { ++steps_[step]->batches; }

  private:
    struct Worked {
        explicit Worked(TrainStep of) : step(std::move(of)) {}
        TrainStep step;
        std::unique_ptr<Seat> seat;
        data::BatchPtr batch;
        std::atomic<std::uint32_t> home{0};
        std::atomic<std::uint32_t> batches{0};
        std::mutex mutex;  // Held by its worker; a step that moves waits for the old one.
        std::uint64_t heard = 0;
        TimePoint tick = TimePoint::max();
    };

    void run(std::uint32_t home, const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            for (const auto& one : steps_) {
                const std::lock_guard lock(one->mutex);
                if (one->home == home) work(*one);
            }
            std::this_thread::yield();
        }
    }
    void work(Worked& one) {
        const std::uint64_t rings = one.seat->bell.rings();
        if (std::exchange(one.heard, rings) != rings) one.tick = one.step.next_tick();
        if (one.batches > 0) {
            --one.batches;
            MILLRACE_CHECK(*one.step.process(one.batch, 0, output_) == Progress::kDone);
            one.tick = one.step.next_tick();
        }
        if (one.tick > clock_.now()) return;
        MILLRACE_CHECK(one.step.on_tick(output_).has_value());
        one.tick = one.step.next_tick();
    }

    const Clock& clock_;
    Kept output_;  // Train steps emit nothing.
    std::vector<std::unique_ptr<Worked>> steps_;
    std::vector<std::jthread> threads_;
};

std::uint64_t learned_by(const SharedModel& model) {
    proto::ModelReport report;
    model.report(report);
    return report.rows_learned();
}

TEST_CASE("What was learned is published, whoever applied it and wherever steps move",
          "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    constexpr std::uint32_t kSteps = 4;
    SharedModel& model = world.add_model(click_options("ctr", kSteps));
    Workers workers(world, model, kSteps);
    Random random(11);
    std::uint64_t given = 0;
    const auto comes_true = [](auto&& condition) {
        const SystemClock patience;
        const TimePoint late = patience.now() + 20s;
        while (!condition() && patience.now() < late) std::this_thread::yield();
        return condition();
    };
    for (int round = 0; round < 1000; ++round) {
        workers.move(static_cast<std::uint32_t>(random.below(kSteps)),
                     static_cast<std::uint32_t>(random.below(2)));
        for (std::uint64_t more = random.below(4) + 1; more > 0; --more) {
            workers.give_batch(static_cast<std::uint32_t>(random.below(kSteps)));
            given += 3;
        }
        CAPTURE(round);
        REQUIRE(comes_true([&] { return learned_by(model) == given; }));
        REQUIRE(comes_true([&] { return model.next_tick() <= clock.now() + 100ms; }));
        clock.advance(100ms);
        REQUIRE(comes_true([&] { return model.view().rows_learned() == given; }));
    }
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
    model.apply(trainer, TimePoint::max());
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
