// `order: canonical`: the model is a function of the input, whatever the parallelism and the
// interleaving.

#include <algorithm>
#include <limits>
#include <thread>
#include <tuple>

#include <catch2/catch.hpp>

#include "operators/learning/shared_model.h"
#include "operators/learning/train_step.h"
#include "runtime/base/random.h"
#include "tests/learning/learning_world.h"
#include "tests/support/manual_clock.h"

namespace millrace::operators::test {
namespace {

using millrace::test::ManualClock;
using namespace std::chrono_literals;

// Splits whose timestamps wander, repeat and go back.
std::vector<std::vector<Click>> wandering_splits(std::size_t count, std::size_t rows) {
    Random random(7);
    std::vector<std::vector<Click>> splits;
    for (std::size_t s = 0; s < count; ++s) {
        splits.push_back(clicks(s + 1, static_cast<std::int32_t>(s), rows));
        std::int64_t time = 0;
        for (Click& click : splits.back()) {
            time += static_cast<std::int64_t>(random.below(5)) - 1;
            click.position.timestamp_ms = time;
        }
    }
    return splits;
}

std::vector<Click> canonical(const std::vector<std::vector<Click>>& splits) {
    std::vector<std::tuple<std::int64_t, std::int32_t, std::int64_t, const Click*>> keyed;
    for (const std::vector<Click>& split : splits) {
        std::int64_t reached = std::numeric_limits<std::int64_t>::min();
        for (const Click& click : split) {
            reached = std::max(reached, click.position.timestamp_ms);
            keyed.emplace_back(reached, click.position.split, click.position.ordinal, &click);
        }
    }
    std::sort(keyed.begin(), keyed.end());
    std::vector<Click> rows;
    rows.reserve(keyed.size());
    for (const auto& key : keyed) rows.push_back(*std::get<3>(key));
    return rows;
}

// A model that `feeds` upstream subtasks and `trainers` train subtasks serve; split s comes by feed
// s mod `feeds`, feed f to trainer f mod `trainers`.
SharedModel::Options ordered_options(std::uint32_t splits, std::uint32_t feeds,
                                     std::uint32_t trainers) {
    auto options = click_options("ctr", trainers);
    options.order.emplace();
    for (std::uint32_t feed = 0; feed < feeds; ++feed)
        options.order->feed_owners.push_back(feed % trainers);
    for (std::uint32_t split = 0; split < splits; ++split)
        options.order->splits.push_back({.split = split, .feeds = {split % feeds}});
    return options;
}

struct Trainer {
    std::unique_ptr<Seat> seat;
    std::unique_ptr<TrainStep> step;
};

std::vector<Trainer> trainers_of(LearningWorld& world, SharedModel& model) {
    std::vector<Trainer> made;
    const std::uint32_t count = model.options().trainers;
    for (std::uint32_t t = 0; t < count; ++t) {
        made.push_back({.seat = world.seat(t, count),
                        .step = std::make_unique<TrainStep>(
                            std::vector<TrainStep::Target>{
                                {.model = &model, .features_column = kFeaturesColumn}},
                            kLabelColumn, data::Kind::kFloat32)});
        REQUIRE(made.back().step->open(made.back().seat->context));
    }
    return made;
}

// The rows of one feed, cut into batches: its splits alternate in small pieces.
std::vector<std::vector<Click>> feed_batches(const std::vector<std::vector<Click>>& splits,
                                             std::uint32_t feed, std::uint32_t feeds,
                                             Random& random) {
    std::vector<std::vector<Click>> batches;
    for (std::size_t at = 0; at < splits[feed].size();) {
        const std::size_t count = 1 + random.below(data::kRowsMax / splits.size());
        std::vector<Click> batch;
        for (std::size_t split = feed; split < splits.size(); split += feeds) {
            const std::size_t end = std::min(at + count, splits[split].size());
            batch.insert(batch.end(), splits[split].begin() + static_cast<std::ptrdiff_t>(at),
                         splits[split].begin() + static_cast<std::ptrdiff_t>(end));
        }
        at += count;
        batches.push_back(std::move(batch));
    }
    return batches;
}

// Drives trainers on one thread, choosing at random which feed goes on next.
void run_shuffled(LearningWorld& world, SharedModel& model,
                  const std::vector<std::vector<Click>>& splits, std::uint64_t seed) {
    Random random(seed);
    auto trainers = trainers_of(world, model);
    const auto& owners = model.options().order->feed_owners;
    const auto feeds = static_cast<std::uint32_t>(owners.size());
    std::vector<std::vector<std::vector<Click>>> batches(feeds);
    for (std::uint32_t feed = 0; feed < feeds; ++feed)
        batches[feed] = feed_batches(splits, feed, feeds, random);
    std::vector<std::size_t> next(feeds);
    std::vector<bool> ended(feeds);
    Kept output;
    for (std::uint32_t open = feeds, tries = 0; open > 0; ++tries) {
        REQUIRE(tries < 1'000'000);
        const auto feed = static_cast<std::uint32_t>(random.below(feeds));
        Trainer& trainer = trainers[owners[feed]];
        if (ended[feed] || !trainer.step->takes(feed)) continue;
        if (next[feed] == batches[feed].size()) {
            ended[feed] = true;
            --open;
            REQUIRE(trainer.step->on_input_end(feed));
            continue;
        }
        const auto batch = click_batch(trainer.seat->batches, batches[feed][next[feed]++]);
        REQUIRE(*trainer.step->process(batch, feed, output) == Progress::kDone);
    }
    for (Trainer& trainer : trainers) {
        while (*trainer.step->on_end(output) == Progress::kYield) {
        }
        trainer.step->close();
    }
}

TEST_CASE("Canonical training gives the same bits at any parallelism and interleaving",
          "[learning]") {
    static const auto splits = wandering_splits(8, 1500);
    const std::uint32_t trainers = GENERATE(1U, 2U, 4U, 8U);
    const std::uint32_t feeds = GENERATE(1U, 2U, 4U);
    const std::uint64_t seed = GENERATE(1U, 2U);
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(ordered_options(8, feeds, trainers));
    run_shuffled(world, model, splits, seed);
    PlainModel plain(model);
    for (const Click& click : canonical(splits)) plain.learn(click);
    REQUIRE(bits_of(model.table()) == plain.bits());
    const auto runs = model.table().order_log().runs();
    REQUIRE(runs.size() == 1);
    REQUIRE(runs[0] == ml::OrderRun{.split = ml::OrderRun::kCanonical, .count = 8 * 1500});
}

TEST_CASE("Canonical training on threads gives the same bits", "[learning]") {
    static const auto splits = wandering_splits(8, 4000);
    const std::uint32_t feeds = GENERATE(4U, 8U);
    const SystemClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(ordered_options(8, feeds, feeds));
    auto trainers = trainers_of(world, model);
    const auto drive = [&](std::uint32_t feed) {
        Random random(feed);
        Kept output;
        Trainer& trainer = trainers[feed];
        const auto finish = [&](auto&& call) {
            for (auto progress = call(); *progress != Progress::kDone; progress = call())
                if (*progress == Progress::kBlocked) trainer.seat->bell.wait(20s);
        };
        for (const auto& rows : feed_batches(splits, feed, feeds, random)) {
            const auto batch = click_batch(trainer.seat->batches, rows);
            finish([&] { return trainer.step->process(batch, feed, output); });
            while (trainer.step->next_tick() == TimePoint::min())
                MILLRACE_CHECK(trainer.step->on_tick(output).has_value());
        }
        finish([&] { return trainer.step->on_end(output); });
        trainer.step->close();
    };
    {
        std::vector<std::jthread> threads;
        threads.reserve(feeds);
        for (std::uint32_t feed = 0; feed < feeds; ++feed) threads.emplace_back(drive, feed);
    }
    PlainModel plain(model);
    for (const Click& click : canonical(splits)) plain.learn(click);
    REQUIRE(bits_of(model.table()) == plain.bits());
}

// Ticks while the time passes, as a task does that is not stopped.
void pass_time(TrainStep& step, ManualClock& clock, Duration time) {
    Kept output;
    while (time > Duration::zero()) {
        const Duration part = std::min(time, SharedModel::kLookEvery);
        clock.advance(part);
        time -= part;
        REQUIRE(step.on_tick(output));
    }
}

TEST_CASE("A silent split is skipped after its idle time, and the log tells the order from there",
          "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    auto options = ordered_options(2, 2, 1);
    options.order->splits[1].idle_after = 5s;
    SharedModel& model = world.add_model(std::move(options));
    auto trainers = trainers_of(world, model);
    TrainStep& step = *trainers[0].step;
    Kept output;
    const auto splits = wandering_splits(2, 100);
    REQUIRE(step.process(click_batch(trainers[0].seat->batches, splits[0]), 0, output));
    REQUIRE(model.table().counts().learned == 0);
    REQUIRE(step.next_tick() == clock.now() + SharedModel::kLookEvery);
    pass_time(step, clock, 5s - 1ns);
    REQUIRE(model.table().counts().learned == 0);
    pass_time(step, clock, 1ns);
    REQUIRE(model.table().counts().learned == 100);
    REQUIRE(step.process(click_batch(trainers[0].seat->batches, splits[1]), 1, output));
    REQUIRE(*step.on_end(output) == Progress::kDone);
    const auto runs = model.table().order_log().runs();
    REQUIRE(std::vector<ml::OrderRun>(runs.begin(), runs.end()) ==
            std::vector<ml::OrderRun>{{1, 0}, {0, 100}, {1, 100}});
    PlainModel plain(model);
    for (const auto& split : splits)
        for (const Click& click : split) plain.learn(click);
    REQUIRE(bits_of(model.table()) == plain.bits());
    step.close();
}

TEST_CASE("No split is silent while the whole process is stopped", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    auto options = ordered_options(2, 2, 1);
    for (auto& split : options.order->splits) split.idle_after = 5s;
    SharedModel& model = world.add_model(std::move(options));
    auto trainers = trainers_of(world, model);
    TrainStep& step = *trainers[0].step;
    Kept output;
    const auto splits = wandering_splits(2, 100);
    const auto give = [&](std::uint32_t feed, std::size_t first, std::size_t count) {
        const auto rows = std::span(splits[feed]).subspan(first, count);
        REQUIRE(step.process(click_batch(trainers[0].seat->batches, rows), feed, output));
    };
    give(0, 0, 100);
    give(1, 0, 1);
    SECTION("while rows wait") {
        pass_time(step, clock, 1s);
        clock.advance(80s);
    }
    SECTION("while rows flow") { clock.advance(80s); }
    SECTION("often") {
        for (int i = 0; i < 20; ++i) {
            clock.advance(4s);
            REQUIRE(step.on_tick(output));
        }
    }
    REQUIRE(step.on_tick(output));
    pass_time(step, clock, 3s);
    give(1, 1, 99);
    REQUIRE(*step.on_end(output) == Progress::kDone);
    PlainModel plain(model);
    for (const Click& click : canonical(splits)) plain.learn(click);
    REQUIRE(bits_of(model.table()) == plain.bits());
    REQUIRE(model.table().order_log().runs().size() == 1);
    step.close();
}

TEST_CASE("A split is not silent while its feed waits for evaluate", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    auto options = ordered_options(2, 2, 1);
    options.is_evaluated = true;
    for (auto& split : options.order->splits) split.idle_after = 5s;
    SharedModel& model = world.add_model(std::move(options));
    auto trainers = trainers_of(world, model);
    TrainStep& step = *trainers[0].step;
    Kept output;
    auto ahead = clicks(2, 1, 1);
    ahead[0].position.timestamp_ms = 1000;
    REQUIRE(step.process(click_batch(trainers[0].seat->batches, ahead), 1, output));
    const auto rows = clicks(1, 0, 64);
    std::size_t given = 0;
    for (; step.takes(0); ++given) {
        const auto batch =
            click_batch(trainers[0].seat->batches, std::span(rows).subspan(given, 1));
        REQUIRE(*step.process(batch, 0, output) == Progress::kDone);
    }
    REQUIRE(model.table().counts().learned == given);
    pass_time(step, clock, 60s);
    REQUIRE(model.table().counts().learned == given);
    std::vector<SharedModel::ScoredRun> runs(SharedModel::kItems);
    model.give_back(std::span(runs).first(model.take_scored(runs)));
    pass_time(step, clock, 4s);
    REQUIRE(model.table().counts().learned == given);
    pass_time(step, clock, 2s);
    REQUIRE(model.table().counts().learned == given + 1);
    model.give_back(std::span(runs).first(model.take_scored(runs)));
    step.close();
}

TEST_CASE("A feed that is ahead is left alone until the others have come up", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(ordered_options(2, 2, 1));
    auto trainers = trainers_of(world, model);
    TrainStep& step = *trainers[0].step;
    Kept output;
    const auto rows = clicks(1, 0, 64);
    std::size_t taken = 0;
    for (; step.takes(0); ++taken) {
        const auto batch =
            click_batch(trainers[0].seat->batches, std::span(rows).subspan(taken, 1));
        REQUIRE(*step.process(batch, 0, output) == Progress::kDone);
    }
    REQUIRE(taken == SharedModel::kItems / 2);
    REQUIRE(step.takes(1));
    REQUIRE(model.table().counts().learned == 0);
    const std::uint64_t rings = trainers[0].seat->bell.rings();
    auto last = clicks(2, 1, 1);
    last[0].position.timestamp_ms = 10;
    REQUIRE(step.process(click_batch(trainers[0].seat->batches, last), 1, output));
    REQUIRE(model.table().counts().learned == 12);  // 0 to 10 of split 0, then 10 of split 1.
    REQUIRE(trainers[0].seat->bell.rings() > rings);
    REQUIRE(step.takes(0));
    REQUIRE(*step.on_end(output) == Progress::kDone);
    step.close();
}

// As a gate does while it aligns a barrier: gives what comes, whatever the step would take.
TEST_CASE("Rows of a feed that is ahead are parked when they come all the same", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(ordered_options(2, 2, 1));
    auto trainers = trainers_of(world, model);
    TrainStep& step = *trainers[0].step;
    Kept output;
    const auto splits = wandering_splits(2, 300);
    const auto give = [&](std::uint32_t feed, std::size_t row) {
        const auto rows = std::span(splits[feed]).subspan(row, 1);
        return *step.process(click_batch(trainers[0].seat->batches, rows), feed, output);
    };
    std::size_t given = 0;
    for (; step.takes(0); ++given) REQUIRE(give(0, given) == Progress::kDone);
    REQUIRE(given == SharedModel::kItems / 2);
    for (; given < SharedModel::kItems / 2 + TrainStep::kParkedMax; ++given)
        REQUIRE(give(0, given) == Progress::kDone);
    REQUIRE_FALSE(step.takes(0));
    REQUIRE(step.takes(1));
    REQUIRE(step.next_tick() > clock.now());  // Nothing to do before rows of the other feed come.
    for (std::size_t row = 0; row < 300; ++row) REQUIRE(give(1, row) == Progress::kDone);
    REQUIRE(step.on_input_end(1));
    for (; given < 300; ++given) REQUIRE(give(0, given) == Progress::kDone);
    REQUIRE(step.on_input_end(0));
    while (step.next_tick() == TimePoint::min()) REQUIRE(step.on_tick(output));
    REQUIRE(*step.on_end(output) == Progress::kDone);
    step.close();
    PlainModel plain(model);
    for (const Click& click : canonical(splits)) plain.learn(click);
    REQUIRE(bits_of(model.table()) == plain.bits());
    const auto runs = model.table().order_log().runs();
    REQUIRE(std::vector<ml::OrderRun>(runs.begin(), runs.end()) ==
            std::vector<ml::OrderRun>{{.split = ml::OrderRun::kCanonical, .count = 600}});
}

TEST_CASE("No more of a feed is parked than is reserved for it", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(ordered_options(2, 2, 1));
    auto trainers = trainers_of(world, model);
    TrainStep& step = *trainers[0].step;
    Kept output;
    const std::size_t rows = GENERATE(1U, data::kRowsMax);
    const auto batch = click_batch(trainers[0].seat->batches, clicks(1, 0, rows));
    while (step.takes(0)) REQUIRE(*step.process(batch, 0, output) == Progress::kDone);
    std::size_t parked = 0;
    while (*step.process(batch, 0, output) == Progress::kDone) ++parked;
    if (rows == 1) {
        CHECK(parked == TrainStep::kParkedMax);
    } else {
        CHECK(parked < TrainStep::kParkedMax);
        CHECK(parked * batch->bytes() >= TrainStep::kParkedBytesMax);
        CHECK((parked - 1) * batch->bytes() < TrainStep::kParkedBytesMax);
    }
    step.close();
}

TEST_CASE("A split that stands behind more rows than are kept is skipped at once", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(ordered_options(2, 1, 1));
    auto trainers = trainers_of(world, model);
    TrainStep& step = *trainers[0].step;
    Kept output;
    const auto rows = clicks(1, 0, 200);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto batch = click_batch(trainers[0].seat->batches, std::span(rows).subspan(i, 1));
        REQUIRE(*step.process(batch, 0, output) == Progress::kDone);
    }
    REQUIRE(step.process(click_batch(trainers[0].seat->batches, clicks(2, 1, 1)), 0, output));
    REQUIRE(*step.on_end(output) == Progress::kDone);
    REQUIRE(model.table().counts().learned == 201);
    const auto runs = model.table().order_log().runs();
    REQUIRE(runs[0] == ml::OrderRun{.split = 1, .count = 0});
    step.close();
}

TEST_CASE("A model refuses more splits than canonical order can take", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = world.add_model(ordered_options(1, 1, 1));
    for (std::uint32_t split = 1; split < ml::CanonicalOrder::kSplitsMax; ++split)
        REQUIRE(model.add_split({.split = split, .feeds = {0}}));
    const Status refused = model.add_split({.split = 9999, .feeds = {0}});
    REQUIRE_FALSE(refused);
    REQUIRE(refused.error().code == Code::kResourceExhausted);
}

}  // namespace
}  // namespace millrace::operators::test
