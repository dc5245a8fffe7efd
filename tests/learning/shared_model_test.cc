#include "operators/learning/shared_model.h"

#include <chrono>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include <catch2/catch.hpp>

#include "operators/learning/train_step.h"
#include "proto/control.pb.h"
#include "tests/learning/learning_world.h"
#include "tests/support/manual_clock.h"

namespace millrace::operators::test {
namespace {

using millrace::test::ManualClock;
using namespace std::chrono_literals;

constexpr TimePoint kNoDeadline = TimePoint::max();

// Feeds all clicks to a train step, as a task would, and ends it.
void train(LearningWorld& world, SharedModel& model, std::uint32_t subtask,
           std::span<const Click> rows, std::size_t rows_per_batch) {
    const auto seat = world.seat(subtask, model.options().trainers);
    TrainStep step({{.model = &model, .features_column = kFeaturesColumn}}, kLabelColumn,
                   data::Kind::kFloat32);
    Kept output;
    MILLRACE_CHECK(step.open(seat->context).has_value());
    const auto drive = [&](auto&& call) {
        for (auto progress = call(); *progress != Progress::kDone; progress = call()) {
            if (*progress == Progress::kBlocked) seat->bell.wait(20s);
            if (step.next_tick() <= world.clock().now())
                MILLRACE_CHECK(step.on_tick(output).has_value());
        }
    };
    for (std::size_t at = 0; at < rows.size(); at += rows_per_batch) {
        const auto part = rows.subspan(at, std::min(rows_per_batch, rows.size() - at));
        const data::BatchPtr batch = click_batch(seat->batches, part);
        drive([&] { return step.process(batch, 0, output); });
        while (step.next_tick() == TimePoint::min())
            MILLRACE_CHECK(step.on_tick(output).has_value());
    }
    drive([&] { return step.on_end(output); });
    step.close();
}

// One batch straight into the model.
void enqueue(SharedModel& model, std::uint32_t trainer, const data::BatchPtr& batch,
             std::uint32_t feed = 0) {
    SharedModel::WorkItem* item = model.claim(trainer, feed);
    REQUIRE(item != nullptr);
    item->batch = batch;
    item->features_column = kFeaturesColumn;
    const float* labels = batch->column(kLabelColumn).as<float>();
    std::copy_n(labels, batch->rows(), item->labels.begin());
    model.enqueue(item);
}

TEST_CASE("Training by any number of threads is the sequential training of its order log",
          "[learning]") {
    const SystemClock clock;
    const std::uint32_t trainers = GENERATE(1U, 2U, 4U, 8U);
    LearningWorld world(clock);
    SharedModel& model = world.add_model(click_options("ctr", trainers));
    std::vector<std::vector<Click>> rows;
    rows.reserve(trainers);
    for (std::uint32_t t = 0; t < trainers; ++t)
        rows.push_back(clicks(t + 1, static_cast<std::int32_t>(t), 20'000 / trainers));
    {
        std::vector<std::jthread> threads;
        threads.reserve(trainers);
        for (std::uint32_t t = 0; t < trainers; ++t)
            threads.emplace_back([&, t] { train(world, model, t, rows[t], 100 + 37 * t); });
    }
    PlainModel plain(model);
    std::vector<std::size_t> next(trainers);
    for (const ml::OrderRun& run : model.table().order_log().runs()) {
        REQUIRE(run.count > 0);
        for (std::uint32_t i = 0; i < run.count; ++i)
            plain.learn(rows[run.split][next[run.split]++]);
    }
    for (std::uint32_t t = 0; t < trainers; ++t) REQUIRE(next[t] == rows[t].size());
    REQUIRE(bits_of(model.table()) == plain.bits());
    REQUIRE(model.view().rows_learned() == 20'000 / trainers * trainers);
}

TEST_CASE("What was learned is published once it is publish_every old", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(click_options("ctr", 1));
    const auto seat = world.seat();
    const std::uint32_t trainer = model.attach_trainer(seat->bell);
    const auto rows = clicks(1, 0, 30);
    const std::uint64_t first = model.view().version();
    REQUIRE(model.next_tick() == TimePoint::max());

    enqueue(model, trainer, click_batch(seat->batches, std::span(rows).first(10)));
    model.apply(trainer, kNoDeadline);
    const TimePoint due = clock.now() + 100ms;
    REQUIRE(model.next_tick() == due);
    clock.advance(99ms);
    enqueue(model, trainer, click_batch(seat->batches, std::span(rows).subspan(10, 10)));
    model.apply(trainer, kNoDeadline);
    REQUIRE(model.next_tick() == due);
    REQUIRE(model.view().version() == first);
    REQUIRE(model.view().rows_learned() == 0);
    clock.advance(1ms);
    model.apply(trainer, kNoDeadline);
    REQUIRE(model.view().version() == first + 1);
    REQUIRE(model.view().rows_learned() == 20);
    REQUIRE(model.next_tick() > clock.now() + 100ms);
    clock.advance(10s);
    model.apply(trainer, kNoDeadline);
    REQUIRE(model.view().version() == first + 1);
}

proto::ModelReport report_of(const SharedModel& model) {
    proto::ModelReport report;
    model.report(report);
    return report;
}

TEST_CASE("A model that is quiet for a second is digested, until it learns again", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(click_options("ctr", 1));
    const auto seat = world.seat();
    const std::uint32_t trainer = model.attach_trainer(seat->bell);
    const auto rows = clicks(1, 0, 20);
    REQUIRE_FALSE(report_of(model).has_digest());
    enqueue(model, trainer, click_batch(seat->batches, std::span(rows).first(10)));
    model.apply(trainer, kNoDeadline);
    const TimePoint quiet = clock.now() + SharedModel::kQuiet;
    clock.advance(500ms);
    model.apply(trainer, kNoDeadline);
    REQUIRE_FALSE(report_of(model).has_digest());
    REQUIRE(model.next_tick() == quiet);
    clock.advance(500ms);
    model.apply(trainer, kNoDeadline);
    REQUIRE(model.next_tick() == TimePoint::max());
    REQUIRE(report_of(model).digest() == ml::TableDigest::of(model.table()));
    enqueue(model, trainer, click_batch(seat->batches, std::span(rows).subspan(10)));
    model.apply(trainer, kNoDeadline);
    REQUIRE_FALSE(report_of(model).has_digest());
    model.end_trainer(trainer);
    REQUIRE(report_of(model).digest() == ml::TableDigest::of(model.table()));
}

TEST_CASE("Rows that come while a model is digested are not lost to the digest", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    auto options = click_options("ctr", 1);
    options.bits = 14;  // Four pieces.
    SharedModel& model = world.add_model(std::move(options));
    const auto seat = world.seat();
    const std::uint32_t trainer = model.attach_trainer(seat->bell);
    const auto rows = clicks(1, 0, 20);
    enqueue(model, trainer, click_batch(seat->batches, std::span(rows).first(10)));
    model.apply(trainer, kNoDeadline);
    clock.advance(SharedModel::kQuiet);
    REQUIRE(model.apply(trainer, clock.now()) == SharedModel::Applied::kMore);
    enqueue(model, trainer, click_batch(seat->batches, std::span(rows).subspan(10)));
    REQUIRE(model.apply(trainer, kNoDeadline) == SharedModel::Applied::kNothingLeft);
    REQUIRE_FALSE(report_of(model).has_digest());
    clock.advance(SharedModel::kQuiet);
    while (model.apply(trainer, clock.now()) == SharedModel::Applied::kMore) {
    }
    REQUIRE(report_of(model).digest() == ml::TableDigest::of(model.table()));
}

TEST_CASE("The end of the last trainer publishes what is left", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(click_options("ctr", 2));
    const auto seat = world.seat();
    const std::uint32_t one = model.attach_trainer(seat->bell);
    const std::uint32_t two = model.attach_trainer(seat->bell);
    const auto rows = clicks(1, 0, 10);
    enqueue(model, one, click_batch(seat->batches, rows));
    REQUIRE_FALSE(model.is_drained(one));
    model.apply(one, kNoDeadline);
    REQUIRE(model.is_drained(one));
    model.end_trainer(one);
    REQUIRE(model.view().rows_learned() == 0);
    model.end_trainer(two);
    REQUIRE(model.view().rows_learned() == 10);
}

TEST_CASE("A full queue makes trainers wait and rings them when there is room", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(click_options("ctr", 2));
    const auto seat = world.seat();
    const auto other = world.seat(1);
    const std::uint32_t trainer = model.attach_trainer(seat->bell);
    const std::uint32_t idle = model.attach_trainer(other->bell);
    const auto rows = clicks(1, 0, 1);
    for (std::uint32_t i = 0; i < SharedModel::kItems; ++i)
        enqueue(model, trainer, click_batch(seat->batches, rows));
    REQUIRE(model.claim(trainer, 0) == nullptr);
    REQUIRE(seat->bell.rings() == 0);
    model.apply(trainer, kNoDeadline);
    REQUIRE(seat->bell.rings() == 1);
    REQUIRE(other->bell.rings() == 0);
    SharedModel::WorkItem* item = model.claim(idle, 0);
    REQUIRE(item != nullptr);
    item->batch = click_batch(seat->batches, rows);
    item->features_column = kFeaturesColumn;
    item->labels[0] = 1;
    model.enqueue(item);
    model.apply(trainer, kNoDeadline);
}

TEST_CASE("One trainer is the writer; when it ends the next one is, and is rung", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(click_options("ctr", 3));
    const auto seat = world.seat();
    const auto other = world.seat(1);
    const auto third = world.seat(2);
    const std::uint32_t one = model.attach_trainer(seat->bell);
    const std::uint32_t two = model.attach_trainer(other->bell);
    const std::uint32_t three = model.attach_trainer(third->bell);
    REQUIRE(model.is_writer(one));
    model.call_writer();
    REQUIRE(seat->bell.rings() == 0);  // There is nothing to apply.
    enqueue(model, two, click_batch(other->batches, clicks(1, 0, 5)));
    REQUIRE(model.has_news());
    model.call_writer();
    REQUIRE(seat->bell.rings() == 1);
    model.apply(one, kNoDeadline);
    REQUIRE_FALSE(model.has_news());
    model.end_trainer(two);
    REQUIRE(model.is_writer(one));
    model.end_trainer(one);
    REQUIRE(model.is_writer(three));
    REQUIRE(third->bell.rings() == 1);
    REQUIRE(other->bell.rings() == 0);
    model.end_trainer(three);
    REQUIRE(model.table().counts().learned == 5);
}

TEST_CASE("What a turn left over is news for the writer", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(click_options("ctr", 2));
    const auto seat = world.seat();
    const auto other = world.seat(1);
    const std::uint32_t one = model.attach_trainer(seat->bell);
    const std::uint32_t two = model.attach_trainer(other->bell);
    enqueue(model, two, click_batch(other->batches, clicks(1, 0, 500)));
    REQUIRE(model.apply(one, clock.now()) == SharedModel::Applied::kMore);
    const std::uint64_t part = model.table().counts().learned;
    REQUIRE(part < 500);
    SECTION("which another thread calls") {
        std::thread([&] { model.apply(two, kNoDeadline); }).join();
        REQUIRE(model.table().counts().learned == part);
        REQUIRE(seat->bell.rings() == 1);
        REQUIRE(model.is_writer(one));
        model.apply(one, kNoDeadline);
    }
    SECTION("and on its thread anybody goes on, as the writer") {
        model.apply(two, kNoDeadline);
        REQUIRE(model.is_writer(two));
        REQUIRE(seat->bell.rings() == 0);
    }
    SECTION("which goes on wherever it runs, and from there on that is its thread") {
        std::thread([&] { model.apply(one, kNoDeadline); }).join();
        model.apply(two, kNoDeadline);
        REQUIRE(model.is_writer(one));
    }
    REQUIRE(model.table().counts().learned == 500);
    REQUIRE_FALSE(model.has_news());
}

// Lets another one act while somebody works.
class InterruptingClock final : public Clock {
  public:
    [[nodiscard]] TimePoint now() const override {
        if (act) std::exchange(act, nullptr)();
        return TimePoint(1h);
    }
    [[nodiscard]] std::int64_t wall_ms() const override { return 0; }

    mutable std::function<void()> act;
};

TEST_CASE("Who finds somebody applying does not take its place", "[learning]") {
    const InterruptingClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(click_options("ctr", 2));
    const auto seat = world.seat();
    const std::uint32_t one = model.attach_trainer(seat->bell);
    const std::uint32_t two = model.attach_trainer(seat->bell);
    const auto batch = click_batch(seat->batches, clicks(1, 0, 5));
    enqueue(model, one, batch);
    clock.act = [&] {
        enqueue(model, two, batch);
        REQUIRE(model.apply(two, kNoDeadline) == SharedModel::Applied::kNothingLeft);
        REQUIRE(model.table().counts().learned == 0);
    };
    model.apply(one, kNoDeadline);
    // So what is due now is the affair of who knows it.
    REQUIRE(model.is_writer(one));
    REQUIRE(model.table().counts().learned == 10);
}

TEST_CASE("Trainers that wait for room are rung when half of it is free", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(click_options("ctr", 2));
    const auto seat = world.seat();
    const auto other = world.seat(1);
    const std::uint32_t busy = model.attach_trainer(seat->bell);
    const std::uint32_t waits = model.attach_trainer(other->bell);
    const auto rows = clicks(1, 0, 1);
    // The last one is the waiting trainer's, so that it has something queued until the end.
    for (std::uint32_t i = 1; i < SharedModel::kItems; ++i)
        enqueue(model, busy, click_batch(seat->batches, rows));
    enqueue(model, waits, click_batch(other->batches, rows));
    REQUIRE_FALSE(model.has_room(waits, 0));
    // With its time up at once, a call applies one batch.
    for (std::uint32_t i = 1; i < SharedModel::kItems / 2; ++i) {
        REQUIRE(model.apply(busy, clock.now()) == SharedModel::Applied::kMore);
        REQUIRE(other->bell.rings() == 0);
    }
    REQUIRE(model.apply(busy, clock.now()) == SharedModel::Applied::kMore);
    REQUIRE(other->bell.rings() == 1);
    model.apply(busy, kNoDeadline);
}

TEST_CASE("Batches that wait in a model are bounded in bytes", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(click_options("ctr", 1));
    const auto seat = world.seat();
    const std::uint32_t trainer = model.attach_trainer(seat->bell);
    const auto rows = clicks(1, 0, 1000);
    const data::BatchPtr batch = click_batch(seat->batches, rows);
    const std::size_t fit = SharedModel::kHeldBytesMax / batch->bytes() + 1;
    REQUIRE(fit < SharedModel::kItems);
    for (std::size_t i = 0; i < fit; ++i) enqueue(model, trainer, batch);
    REQUIRE(model.claim(trainer, 0) == nullptr);
    model.apply(trainer, kNoDeadline);
    REQUIRE(model.has_room(trainer, 0));
}

TEST_CASE("A turn ends at its deadline and says that there is more", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(click_options("ctr", 1));
    const auto seat = world.seat();
    const std::uint32_t trainer = model.attach_trainer(seat->bell);
    const auto rows = clicks(1, 0, 1000);
    enqueue(model, trainer, click_batch(seat->batches, rows));
    REQUIRE(model.apply(trainer, clock.now()) == SharedModel::Applied::kMore);
    const std::uint64_t part = model.table().counts().learned;
    REQUIRE(part > 0);
    REQUIRE(part < 1000);
    while (model.apply(trainer, clock.now()) == SharedModel::Applied::kMore) {
    }
    REQUIRE(model.table().counts().learned == 1000);
}

TEST_CASE("A lagging evaluator holds training back, and its end comes after its last row",
          "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    auto options = click_options("ctr", 1);
    options.is_evaluated = true;
    SharedModel& model = world.add_model(std::move(options));
    const auto seat = world.seat();
    const auto evaluator = world.seat(1);
    const std::uint32_t trainer = model.attach_trainer(seat->bell);
    model.attach_evaluator(evaluator->bell);
    const auto rows = clicks(1, 0, 1);
    for (std::uint32_t i = 0; i < SharedModel::kItems; ++i)
        enqueue(model, trainer, click_batch(seat->batches, rows));
    model.apply(trainer, kNoDeadline);
    REQUIRE(evaluator->bell.rings() > 0);
    REQUIRE(model.is_drained(trainer));
    REQUIRE(model.claim(trainer, 0) == nullptr);
    model.end_trainer(trainer);
    REQUIRE_FALSE(model.is_scored_out());
    std::vector<SharedModel::ScoredRun> runs(SharedModel::kItems);
    REQUIRE(model.take_scored(runs) == SharedModel::kItems);
    REQUIRE(model.is_scored_out());
    const std::uint64_t rings = seat->bell.rings();
    model.give_back(std::span(runs).first(1));
    REQUIRE(seat->bell.rings() == rings + 1);
    REQUIRE(model.has_room(trainer, 0));
    model.give_back(std::span(runs).subspan(1));
}

TEST_CASE("A model that nobody trains has no scored rows to wait for", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    auto options = click_options("ctr", 0);
    options.is_evaluated = true;
    SharedModel& model = world.add_model(std::move(options));
    REQUIRE(model.is_scored_out());
    REQUIRE(model.next_tick() == TimePoint::max());
}

TEST_CASE("The account that a model asks for is enough for it at any size", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    const unsigned bits = GENERATE(8U, 12U, 17U, 20U);
    auto options = click_options("ctr", 1);
    options.bits = bits;
    options.is_evaluated = bits % 2 == 0;
    if (bits == 17) options.order = OrderPlan{.feed_owners = {0, 0, 0}, .splits = {}};
    options.scaled_columns = bits == 20 ? 3 : 0;
    const SharedModel& model = world.add_model(std::move(options));
    REQUIRE(model.view().bits() == bits);
}

TEST_CASE("A model refuses an account that is too small", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    memory::SlotMemory* slot = &world.memory().manager().slot(0);
    auto account =
        world.memory().manager().open_account("small", std::span(&slot, 1), std::size_t{1} << 16);
    REQUIRE(account);
    const auto made =
        SharedModel::make(click_options("ctr", 1), **account, clock, world.registry(), "job");
    REQUIRE_FALSE(made);
    REQUIRE(made.error().code == Code::kResourceExhausted);
    REQUIRE(world.memory().manager().close_account(**account));
}

}  // namespace
}  // namespace millrace::operators::test
