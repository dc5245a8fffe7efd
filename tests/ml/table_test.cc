#include "ml/table.h"

#include <array>
#include <atomic>
#include <cmath>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "ml/adpredictor.h"
#include "ml/ftrl.h"
#include "ml/sgd.h"
#include "ml/table_digest.h"
#include "tests/ml/model_fixture.h"

namespace millrace::ml {
namespace {

RowList one_row(std::uint32_t slot, float label) {
    RowList rows;
    rows.add({{kBiasSlot, 1}, {slot, 1}}, label);
    return rows;
}

TEST_CASE("Table publishes the prior as version 0 and counts up after learning", "[ml][table]") {
    ModelFixture model(8);
    const auto learner = Ftrl::create({}).value();
    REQUIRE(model.table.publish(model.view));
    CHECK(model.view.version() == 0);
    trained_scores(*learner, model.table, one_row(5, 1).rows());
    REQUIRE(model.table.publish(model.view));
    CHECK(model.view.version() == 1);
    CHECK(model.view.rows_learned() == 1);
    CHECK(model.view.weight(5) == model.table.cells()[5].w);
}

TEST_CASE("A digest names what a table has learned, and nothing else", "[ml][table]") {
    const auto learner = Ftrl::create({}).value();
    ModelFixture model(14, ServingView::Lanes::kWeight, 1);
    ModelFixture same(14, ServingView::Lanes::kWeight, 1);
    trained_scores(*learner, model.table, one_row(5, 1).rows());
    trained_scores(*learner, same.table, one_row(5, 1).rows());
    const std::uint64_t digest = TableDigest::of(model.table);
    same.table.publish(same.view);
    same.table.mark_all_dirty();
    REQUIRE(same.table.order_log().append(3, 7));
    CHECK(TableDigest::of(same.table) == digest);

    SECTION("one bit of the last cell") { same.table.cells().back().state[2] = -0.0F; }
    SECTION("one bit of the first cell") {
        float& weight = same.table.cells().front().w;
        weight = std::nextafter(weight, 1.0F);
    }
    SECTION("two cells in each other's place") {
        std::swap(same.table.cells()[5], same.table.cells()[6]);
    }
    SECTION("a row that was skipped") { ++same.table.counts().skipped_label; }
    SECTION("a step of the schedule") { ++same.table.scalars().steps; }
    SECTION("the common factor") { same.table.scalars().scale = 0.5; }
    SECTION("the range of labels") { same.table.scalars().label_high = 2; }
    SECTION("a moment of the scaler") { same.table.scaler().moments()[0].squares = 1; }
    CHECK(TableDigest::of(same.table) != digest);
}

TEST_CASE("A digest comes out the same in pieces", "[ml][table]") {
    const auto learner = Ftrl::create({}).value();
    ModelFixture model(14);
    trained_scores(*learner, model.table, one_row(5, 1).rows());
    TableDigest pieces;
    pieces.begin(model.table);
    const std::size_t count = Table::cell_bytes(14) / TableDigest::kPieceBytes;
    REQUIRE(count == 4);
    for (std::size_t i = 0; i + 1 < count; ++i) REQUIRE_FALSE(pieces.advance(model.table));
    CHECK(pieces.advance(model.table) == TableDigest::of(model.table));
}

TEST_CASE("Table does not publish when nothing was learned", "[ml][table]") {
    ModelFixture model(8);
    const auto learner = Ftrl::create({}).value();
    REQUIRE(model.table.publish(model.view));
    REQUIRE_FALSE(model.table.publish(model.view));
    trained_scores(*learner, model.table, one_row(5, 1).rows());
    REQUIRE(model.table.publish(model.view));
    REQUIRE_FALSE(model.table.publish(model.view));
    CHECK(model.view.version() == 1);
}

TEST_CASE("Table copies the lines that changed, and only those", "[ml][table]") {
    ModelFixture model(8);
    const auto learner = Ftrl::create({}).value();
    trained_scores(*learner, model.table, one_row(200, 1).rows());
    model.table.publish(model.view);
    // A cell written behind the table's back stays unseen until its line is dirty.
    model.table.cells()[100].w = 3;
    trained_scores(*learner, model.table, one_row(50, 1).rows());
    model.table.publish(model.view);
    CHECK(model.view.weight(100) == 0);
    CHECK(model.view.weight(50) == model.table.cells()[50].w);
    model.table.mark_dirty(100);
    model.table.publish(model.view);
    CHECK(model.view.weight(100) == 3);
}

TEST_CASE("Table of unknown content begins empty", "[ml][table]") {
    AlignedMemory cells(Table::cell_bytes(8));
    AlignedMemory dirty(DirtyLines::bytes(8));
    cells.as<Cell>()[3].w = 1;
    Table table(8, {.cells = cells.as<Cell>(), .dirty = dirty.as<std::uint64_t>()},
                Table::Content::kUnknown);
    REQUIRE(table.cells()[3].w == 0);
}

TEST_CASE("Table cleared is a table that never learned, but for its version", "[ml][table]") {
    ModelFixture model(8, ServingView::Lanes::kWeight, 1);
    const auto learner = Ftrl::create({}).value();
    trained_scores(*learner, model.table, one_row(5, 1).rows());
    model.table.publish(model.view);
    model.table.clear();
    CHECK(model.table.counts() == RowCounts{});
    CHECK(model.table.cells()[5].w == 0);
    model.table.publish(model.view);
    CHECK(model.view.version() == 2);
    CHECK(model.view.weight(5) == 0);
}

TEST_CASE("ServingView gives mean and variance of one moment together", "[ml][serving_view]") {
    // The writer publishes pairs (k, k + 1) while a reader checks that no pair is torn.
    ModelFixture model(8, ServingView::Lanes::kMeanAndVariance);
    std::atomic<bool> stop{false};
    std::atomic<int> torn{0};
    std::thread reader([&] {
        while (!stop) {
            const auto pair = model.view.mean_and_variance(7);
            if (pair.variance != 0 && pair.variance != pair.mean + 1) ++torn;
        }
    });
    for (int k = 1; k <= 20000; ++k) {
        model.table.cells()[7] = {.w = static_cast<float>(k),
                                  .state = {static_cast<float>(k + 1), 0, 0}};
        model.table.mark_dirty(7);
        model.table.publish(model.view);
    }
    stop = true;
    reader.join();
    REQUIRE(torn == 0);
}

// With this much L2 the factor is multiplied out every 20 rows and falls to an eighth between
// publications; a reader that mixed both sides of one such moment would be off by 1e9.
TEST_CASE("ServingView never mixes weights of two scales", "[ml][serving_view]") {
    ModelFixture model(8);
    const auto learner = Sgd::create({.rate = 0.65, .l2 = 1, .bias_rate = 0.001}).value();
    RowList rows;
    rows.add({{5, 1}, {250, 1}}, 1);
    rows.add({{5, 1}, {250, 1}}, 0);
    std::atomic<bool> stop{false};
    std::atomic<int> wild{0};
    std::thread reader([&] {
        std::vector<float> scores(2);
        while (!stop) {
            learner->predict_rows(model.view, rows.rows(), scores, {});
            if (!(scores[0] > 0.1F && scores[0] < 0.9F)) ++wild;
        }
    });
    for (int k = 0; k < 20000; ++k) {
        trained_scores(*learner, model.table, rows.rows());
        model.table.publish(model.view);
    }
    stop = true;
    reader.join();
    REQUIRE(wild == 0);
}

TEST_CASE("StandardScaler learns a row before it transforms it", "[ml][standard_scaler]") {
    StandardScaler scaler(1);
    RowList rows;
    for (const float x : {2.0F, 4.0F, 4.0F, 4.0F, 5.0F, 5.0F, 7.0F, 9.0F}) {
        rows.add({{kBiasSlot, 1}, {5, x}, {6, x}}, 1);
    }
    std::vector<float> values(rows.values().size());
    scaler.learn_and_transform(rows.rows(), LabelRule::kBinary, values);
    CHECK(values[1] == 0);
    CHECK(values[4] == Approx(1));  // Mean 3, deviation 1.
    // Eight numbers with mean 5 and population deviation 2.
    CHECK(values[22] == Approx((9 - 5) / 2.0));
    CHECK(values[23] == 9);  // Not a scaled column.
    CHECK(scaler.moments()[0].count == 8);
    CHECK(scaler.moments()[0].mean == Approx(5));
    CHECK(scaler.moments()[0].squares == Approx(8 * 4));
}

TEST_CASE("StandardScaler gives 0 for a column that never varied", "[ml][standard_scaler]") {
    StandardScaler scaler(1);
    RowList rows;
    for (int r = 0; r < 3; ++r) rows.add({{kBiasSlot, 1}, {5, 8}}, 1);
    std::vector<float> values(rows.values().size());
    scaler.learn_and_transform(rows.rows(), LabelRule::kBinary, values);
    CHECK(values[5] == 0);
}

TEST_CASE("StandardScaler learns nothing from missing values and refused rows",
          "[ml][standard_scaler]") {
    StandardScaler scaler(1);
    RowList rows;
    rows.add({{kBiasSlot, 1}, {5, -0.0F}}, 1);
    rows.add({{kBiasSlot, 1}, {5, 3}}, 7);
    rows.add({{kBiasSlot, 1}, {5, 3}}, 1, -1);
    rows.add({{kBiasSlot, 1}, {5, std::nanf("")}}, 1);
    rows.add({{kBiasSlot, 1}, {5, 3}, {6, std::nanf("")}}, 1);
    std::vector<float> values(rows.values().size());
    scaler.learn_and_transform(rows.rows(), LabelRule::kBinary, values);
    CHECK(scaler.moments()[0].count == 0);
    CHECK(values[1] == 0);
}

TEST_CASE("the view transforms as the scaler did when it was published",
          "[ml][standard_scaler][serving_view]") {
    ModelFixture model(8, ServingView::Lanes::kWeight, 1);
    RowList rows;
    for (const float x : {1.0F, 3.0F}) rows.add({{kBiasSlot, 1}, {5, x}}, 1);
    std::vector<float> values(rows.values().size());
    model.table.scaler().learn_and_transform(rows.rows(), LabelRule::kBinary, values);
    model.table.publish(model.view);
    RowList asked;
    asked.add({{kBiasSlot, 1}, {5, 4}}, 0);
    asked.add({{kBiasSlot, 1}, {5, -0.0F}}, 0);
    std::vector<float> served(4);
    model.view.scaler().transform(asked.rows(), served);
    CHECK(served[1] == Approx((4 - 2) / 1.0));
    CHECK(served[0] == 1);
    CHECK(served[3] == 0);
}

}  // namespace
}  // namespace millrace::ml
