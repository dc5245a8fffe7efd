#include "operators/learning/label_column.h"

#include <array>
#include <cmath>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/learning/learning_world.h"

namespace millrace::operators::test {
namespace {

// Three rows of one column; the middle one is null.
template <class Set>
std::array<float, 3> labels_of(data::Kind kind, const Set& set) {
    millrace::test::SlotWorld memory;
    data::BatchBuilder builder(*data::Schema::make({{"label", {.kind = kind}}}), memory.batches());
    REQUIRE(builder.begin());
    for (int row = 0; row < 3; ++row) {
        if (row != 1) set(builder, row);
        builder.end_row({});
    }
    const data::BatchPtr batch = builder.finish();
    std::array<float, 3> labels{};
    read_labels(batch->column(0), kind, 3, labels);
    return labels;
}

void check(const std::array<float, 3>& labels, float first, float last) {
    REQUIRE(labels[0] == first);
    REQUIRE(std::isnan(labels[1]));
    REQUIRE(labels[2] == last);
}

TEST_CASE("Labels of every numeric type are read as floats, and a null as NaN", "[learning]") {
    check(labels_of(data::Kind::kBool, [](auto& b, int row) { b.set_bool(0, row == 0); }), 1, 0);
    check(labels_of(data::Kind::kInt32, [](auto& b, int row) { b.set_int32(0, row - 1); }), -1, 1);
    check(labels_of(data::Kind::kInt64, [](auto& b, int row) { b.set_int64(0, row * 70'000); }), 0,
          140'000);
    check(labels_of(data::Kind::kFloat32,
                    [](auto& b, int row) { b.set_float32(0, row == 0 ? .5F : 2.5F); }),
          .5F, 2.5F);
    check(labels_of(data::Kind::kFloat64, [](auto& b, int row) { b.set_float64(0, row * .25); }), 0,
          .5F);
}

TEST_CASE("A label is a number or a bool", "[learning]") {
    using data::Kind;
    for (const Kind kind :
         {Kind::kBool, Kind::kInt32, Kind::kInt64, Kind::kFloat32, Kind::kFloat64})
        REQUIRE(is_label_type(kind));
    for (const Kind kind :
         {Kind::kString, Kind::kBytes, Kind::kTimestampMs, Kind::kList, Kind::kFeatures})
        REQUIRE_FALSE(is_label_type(kind));
}

}  // namespace
}  // namespace millrace::operators::test
