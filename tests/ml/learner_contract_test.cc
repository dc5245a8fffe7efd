// What every registered learner promises; a new one is walked without a change here.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "ml/builtin_learners.h"
#include "ml/snapshot.h"
#include "runtime/base/random.h"
#include "tests/ml/model_fixture.h"
#include "tests/ml/snapshot_bytes.h"
#include "tests/ml/synthetic_rows.h"

namespace millrace::ml {
namespace {

constexpr unsigned kBits = 12;

struct Setup {
    explicit Setup(const BuiltinLearner& built)
        : learner(make_learner(built.defaults).value()), model(kBits, learner->view_lanes()) {
        learner->set_prior(model.table, SyntheticRows::kEntries);
        model.table.publish(model.view);
    }
    std::unique_ptr<Learner> learner;
    ModelFixture model;
};

const BuiltinLearner& any_learner() {
    const auto index = GENERATE(range(std::size_t{0}, builtin_learners().size()));
    const BuiltinLearner& built = builtin_learners()[index];
    UNSCOPED_INFO("learner " << built.name);
    return built;
}

const SyntheticRows& stream() {
    static const SyntheticRows rows(3, 3000, kBits);
    return rows;
}

bool same_bits(const Table& a, const Table& b) {
    return std::memcmp(a.cells().data(), b.cells().data(), a.cells().size_bytes()) == 0 &&
           a.counts() == b.counts() && a.scalars() == b.scalars();
}

bool all_finite(const Learner& learner, const Table& table) {
    return learner.cells_valid(table.cells());
}

TEST_CASE("every learner has its registered name and accepts its defaults", "[ml][contract]") {
    const BuiltinLearner& built = any_learner();
    const auto learner = make_learner(built.defaults);
    REQUIRE(learner);
    CHECK((*learner)->name() == built.name);
    CHECK_FALSE(built.doc.empty());
}

TEST_CASE("every learner predicts the base rate it was given before it has learnt",
          "[ml][contract]") {
    Setup setup(any_learner());
    REQUIRE(setup.model.view.version() == 0);
    const auto scores = predicted_scores(*setup.learner, setup.model.view, stream().rows());
    REQUIRE(std::ranges::all_of(scores, [](float p) { return std::abs(p - 0.5F) < 1e-6F; }));
}

TEST_CASE("every learner is one function of its rows, however they are cut into batches",
          "[ml][contract]") {
    const BuiltinLearner& built = any_learner();
    Setup whole(built);
    Setup cut(built);
    const SparseRows rows = stream().rows();
    const auto scores = trained_scores(*whole.learner, whole.model.table, rows);
    std::vector<float> cut_scores;
    Random random(5);
    for (std::uint32_t at = 0; at < rows.row_count;) {
        const auto count =
            std::min(static_cast<std::uint32_t>(1 + random.below(40)), rows.row_count - at);
        const auto some = trained_scores(*cut.learner, cut.model.table, rows.slice(at, count));
        cut_scores.insert(cut_scores.end(), some.begin(), some.end());
        at += count;
    }
    REQUIRE(same_bits(whole.model.table, cut.model.table));
    REQUIRE(std::memcmp(scores.data(), cut_scores.data(), scores.size() * 4) == 0);
}

TEST_CASE("every learner gives the same bits after a snapshot and a restore in mid-stream",
          "[ml][contract]") {
    const BuiltinLearner& built = any_learner();
    Setup straight(built);
    Setup before(built);
    Setup after(built);
    const SparseRows rows = stream().rows();
    trained_scores(*straight.learner, straight.model.table, rows);
    trained_scores(*before.learner, before.model.table, rows.slice(0, 1234));
    const SnapshotSubject subject{.learner = *before.learner, .schema_hash = 7};
    SnapshotBytes bytes;
    REQUIRE(write_snapshot(before.model.table, subject, SnapshotKind::kFull, {}, bytes));
    REQUIRE(restore_snapshot(after.model.table, subject, std::nullopt, bytes));
    REQUIRE(same_bits(before.model.table, after.model.table));
    trained_scores(*after.learner, after.model.table, rows.slice(1234, rows.row_count - 1234));
    REQUIRE(same_bits(straight.model.table, after.model.table));
}

TEST_CASE("every learner's running model is unchanged by snapshots", "[ml][contract]") {
    const BuiltinLearner& built = any_learner();
    Setup quiet(built);
    Setup saved(built);
    const SparseRows rows = stream().rows();
    trained_scores(*quiet.learner, quiet.model.table, rows);
    const SnapshotSubject subject{.learner = *saved.learner};
    std::uint64_t sequence = 0;
    for (std::uint32_t at = 0; at < rows.row_count; at += 500) {
        SnapshotBytes bytes;
        const auto kind = sequence == 0 ? SnapshotKind::kFull : SnapshotKind::kDelta;
        REQUIRE(write_snapshot(saved.model.table, subject, kind, {.sequence = sequence++}, bytes));
        trained_scores(*saved.learner, saved.model.table, rows.slice(at, 500));
    }
    REQUIRE(same_bits(quiet.model.table, saved.model.table));
}

TEST_CASE("every learner serves from a fresh view what training would have said",
          "[ml][contract]") {
    Setup setup(any_learner());
    const SparseRows rows = stream().rows();
    trained_scores(*setup.learner, setup.model.table, rows.slice(0, 2000));
    setup.model.table.publish(setup.model.view);
    const SparseRows next = rows.slice(2000, 1);
    const float served = predicted_scores(*setup.learner, setup.model.view, next)[0];
    const float trained = trained_scores(*setup.learner, setup.model.table, next)[0];
    REQUIRE(served == Approx(trained).epsilon(1e-6));
}

TEST_CASE("every learner's loss falls on a stream it can separate", "[ml][contract]") {
    Setup setup(any_learner());
    RowList rows;
    for (int r = 0; r < 4000; ++r) {
        const bool positive = r % 3 == 0;
        rows.add({{kBiasSlot, 1},
                  {positive ? 10U : 11U, 1},
                  {static_cast<std::uint32_t>(20 + r % 5), 1}},
                 positive ? 1.0F : 0.0F);
    }
    const auto scores = trained_scores(*setup.learner, setup.model.table, rows.rows());
    BinaryMetrics first;
    BinaryMetrics last;
    for (std::size_t r = 0; r < 1000; ++r) {
        first.add(static_cast<double>(scores[r]), static_cast<double>(rows.labels()[r]));
        last.add(static_cast<double>(scores[3000 + r]),
                 static_cast<double>(rows.labels()[3000 + r]));
    }
    CHECK(*last.log_loss() < 0.5 * *first.log_loss());
    CHECK(*last.auc() == 1);
}

// A row and the counter that it must move.
struct BadRow {
    std::string what;
    float value, label, weight;
    std::uint64_t RowCounts::* counter;
};

TEST_CASE("every learner skips rows that are not finite or not allowed, touching no cell",
          "[ml][contract]") {
    const BuiltinLearner& built = any_learner();
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const std::vector<BadRow> bad{
        {"value NaN", nan, 1, 1, &RowCounts::skipped_features},
        {"value infinite", infinity, 1, 1, &RowCounts::skipped_features},
        {"value too large", 1e20F, 1, 1, &RowCounts::skipped_features},
        {"label NaN", 1, nan, 1, &RowCounts::skipped_label},
        {"label infinite", 1, infinity, 1, &RowCounts::skipped_label},
        {"label -1", 1, -1, 1, &RowCounts::skipped_label},
        {"label 2", 1, 2, 1, &RowCounts::skipped_label},
        {"weight NaN", 1, 1, nan, &RowCounts::skipped_weight},
        {"weight infinite", 1, 1, infinity, &RowCounts::skipped_weight},
        {"weight negative", 1, 1, -1, &RowCounts::skipped_weight},
    };
    for (const BadRow& one : bad) {
        CAPTURE(one.what);
        Setup clean(built);
        Setup dirty(built);
        trained_scores(*clean.learner, clean.model.table, stream().rows().slice(0, 200));
        trained_scores(*dirty.learner, dirty.model.table, stream().rows().slice(0, 200));
        RowList row;
        row.add({{kBiasSlot, 1}, {9, one.value}, {10, 1}, {11, 1}, {12, 1}}, one.label, one.weight);
        const float score = trained_scores(*dirty.learner, dirty.model.table, row.rows())[0];
        CHECK(std::isnan(score));
        CHECK(dirty.model.table.counts().*one.counter == 1);
        CHECK(dirty.model.table.counts().learned == 200);
        CHECK(std::memcmp(clean.model.table.cells().data(), dirty.model.table.cells().data(),
                          clean.model.table.cells().size_bytes()) == 0);
        CHECK(clean.model.table.scalars() == dirty.model.table.scalars());
    }
}

TEST_CASE("every learner keeps its table finite whatever finite numbers it is fed",
          "[ml][contract]") {
    Setup setup(any_learner());
    Random random(11);
    RowList rows;
    for (int r = 0; r < 2000; ++r) {
        std::vector<RowList::Entry> entries{{kBiasSlot, 1}};
        for (int i = 0; i < 9; ++i) {
            const double size = std::exp2(random.unit() * 250 - 125);
            entries.push_back({static_cast<std::uint32_t>(random.below(8)),
                               static_cast<float>(random.below(2) == 0 ? size : -size)});
        }
        rows.add(entries, random.below(2) == 0 ? 0.0F : 1.0F,
                 static_cast<float>(std::exp2(random.unit() * 60 - 30)));
    }
    trained_scores(*setup.learner, setup.model.table, rows.rows());
    REQUIRE(all_finite(*setup.learner, setup.model.table));
    REQUIRE(setup.model.table.counts().learned + setup.model.table.counts().skipped() == 2000);
}

TEST_CASE("every learner learns nothing from a row of weight 0", "[ml][contract]") {
    Setup setup(any_learner());
    RowList row;
    row.add({{kBiasSlot, 1}, {9, 1}}, 1, 0);
    trained_scores(*setup.learner, setup.model.table, row.rows());
    CHECK(setup.model.table.cells()[9].w == 0);
    CHECK(setup.model.table.counts().learned == 1);
}

TEST_CASE("every learner treats a batch without values as one of ones", "[ml][contract]") {
    const BuiltinLearner& built = any_learner();
    Setup without(built);
    Setup with(built);
    SparseRows rows = stream().rows();
    const auto entries = static_cast<std::size_t>(rows.offsets[rows.row_count]);
    const std::vector<float> ones(entries, 1.0F);
    trained_scores(*without.learner, without.model.table, rows);
    rows.values = ones.data();
    trained_scores(*with.learner, with.model.table, rows);
    REQUIRE(same_bits(without.model.table, with.model.table));
}

TEST_CASE("every learner takes rows without any entries", "[ml][contract]") {
    Setup setup(any_learner());
    RowList rows;
    rows.add(std::span<const RowList::Entry>{}, 1);
    const float score = trained_scores(*setup.learner, setup.model.table, rows.rows())[0];
    CHECK(score == Approx(0.5));
    CHECK(trained_scores(*setup.learner, setup.model.table, {}).empty());
}

// Options and the word that must stand in their refusal.
struct BadOptions {
    LearnerOptions options;
    std::string word;
};

TEST_CASE("learners refuse options by the inequality they break", "[ml][contract]") {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    const std::vector<BadOptions> bad{
        {FtrlOptions{.alpha = 0}, "alpha must be > 0"},
        {FtrlOptions{.alpha = -1}, "alpha must be > 0"},
        {FtrlOptions{.alpha = nan}, "alpha must be > 0"},
        {FtrlOptions{.beta = -1}, "beta must be >= 0"},
        {FtrlOptions{.l1 = -1}, "l1 must be >= 0"},
        {FtrlOptions{.l2 = nan}, "l2 must be >= 0"},
        {FtrlOptions{.bias_rate = -1}, "bias_rate must be >= 0"},
        {FtrlOptions{.clip_to_labels = true}, "squared"},
        {SgdOptions{.rate = 0}, "rate must be > 0"},
        {SgdOptions{.rate = 1, .l2 = 1}, "rate * l2 must be < 1"},
        {SgdOptions{.power = 2}, "power must be > 0 and < 2"},
        {SgdOptions{.l2 = -1}, "l2 must be >= 0"},
        {AdaGradOptions{.rate = -1}, "rate must be > 0"},
        {AdaGradOptions{.epsilon = -1}, "epsilon must be >= 0"},
        {AdaGradOptions{.beta = nan}, "beta must be >= 0"},
        {AdPredictorOptions{.beta = 0}, "beta must be > 0"},
        {AdPredictorOptions{.prior_variance = 0}, "prior_variance must be > 0"},
        {AdPredictorOptions{.epsilon = 1}, "epsilon must be < 1"},
        {AdPredictorOptions{.prior_rate = 0}, "prior_rate must be > 0 and < 1"},
        {AdPredictorOptions{.prior_rate = 1}, "prior_rate must be > 0 and < 1"},
    };
    for (const BadOptions& one : bad) {
        const auto learner = make_learner(one.options);
        REQUIRE_FALSE(learner);
        CHECK(learner.error().code == Code::kInvalidOption);
        CHECK_THAT(learner.error().message, Catch::Contains(one.word));
    }
}

}  // namespace
}  // namespace millrace::ml
