#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "ml/feature_compiler.h"
#include "ml/standard_scaler.h"
#include "runtime/base/random.h"

namespace millrace::ml {
namespace {

// Columns by field name, and rows compiled from them.
class Columns {
  public:
    void integers(const std::string& field, std::vector<std::int64_t> values,
                  std::vector<std::uint8_t> validity = {}) {
        auto& column = add(field, ColumnKind::kInt64, std::move(validity));
        column.integers = std::move(values);
        column.view.values = column.integers.data();
    }
    void narrow(const std::string& field, std::vector<std::int32_t> values) {
        auto& column = add(field, ColumnKind::kInt32, {});
        column.narrow = std::move(values);
        column.view.values = column.narrow.data();
    }
    void reals(const std::string& field, std::vector<double> values,
               std::vector<std::uint8_t> validity = {}) {
        auto& column = add(field, ColumnKind::kFloat64, std::move(validity));
        column.reals = std::move(values);
        column.view.values = column.reals.data();
    }
    void timestamps(const std::string& field, std::vector<std::int64_t> values) {
        integers(field, std::move(values));
        columns_[field].view.kind = ColumnKind::kTimestamp;
        columns_[field].type.kind = ColumnKind::kTimestamp;
    }
    void bits(const std::string& field, std::vector<std::uint8_t> bitmap) {
        auto& column = add(field, ColumnKind::kBool, {});
        column.bitmap = std::move(bitmap);
        column.view.values = column.bitmap.data();
    }
    void texts(const std::string& field, const std::vector<std::string>& values,
               std::vector<std::uint8_t> validity = {}) {
        auto& column = add(field, ColumnKind::kString, std::move(validity));
        column.offsets = {0};
        for (const std::string& value : values) {
            column.bytes += value;
            column.offsets.push_back(static_cast<std::int32_t>(column.bytes.size()));
        }
        column.view.values = column.bytes.data();
        column.view.offsets = column.offsets.data();
    }
    void lists(const std::string& field, const std::vector<std::vector<std::int64_t>>& values,
               std::vector<std::uint8_t> validity = {}) {
        auto& column = add(field, ColumnKind::kList, std::move(validity));
        column.type.item = ColumnKind::kInt64;
        column.offsets = {0};
        for (const auto& list : values) {
            column.integers.insert(column.integers.end(), list.begin(), list.end());
            column.offsets.push_back(static_cast<std::int32_t>(column.integers.size()));
        }
        column.child.values = column.integers.data();
        column.view.offsets = column.offsets.data();
        column.view.child = &column.child;
    }
    // Reads every column from this row on, as a slice of a batch does.
    void start_at(std::uint32_t row) {
        for (auto& [field, column] : columns_) column.view.first = row;
    }
    [[nodiscard]] std::vector<FieldType> types() const {
        std::vector<FieldType> types;
        for (const auto& [field, column] : columns_) types.push_back(column.type);
        return types;
    }
    [[nodiscard]] std::vector<ColumnView> views() const {
        std::vector<ColumnView> views;
        for (const auto& [field, column] : columns_) views.push_back(column.view);
        return views;
    }

  private:
    struct Column {
        FieldType type;
        ColumnView view;
        ColumnView child;
        std::vector<std::uint8_t> validity, bitmap;
        std::vector<std::int64_t> integers;
        std::vector<std::int32_t> narrow, offsets;
        std::vector<double> reals;
        std::string bytes;
    };
    Column& add(const std::string& field, ColumnKind kind, std::vector<std::uint8_t> validity) {
        Column& column = columns_[field];
        column.type.kind = kind;
        column.view.kind = kind;
        column.validity = std::move(validity);
        if (!column.validity.empty()) column.view.validity = column.validity.data();
        return column;
    }
    std::map<std::string, Column> columns_;  // In the order of FeatureCompiler::fields_of().
};

struct Compiled {
    std::vector<std::int32_t> offsets;
    std::vector<std::uint32_t> slots;
    std::vector<float> values;
    CompileCounts counts;

    [[nodiscard]] std::vector<std::uint32_t> row(std::size_t r) const {
        return {slots.begin() + offsets[r], slots.begin() + offsets[r + 1]};
    }
    [[nodiscard]] std::vector<float> row_values(std::size_t r) const {
        return {values.begin() + offsets[r], values.begin() + offsets[r + 1]};
    }
};

Compiled compiled(const FeatureSpec& spec, const Columns& columns, std::uint32_t rows) {
    const FeatureCompiler compiler = FeatureCompiler::create(spec, columns.types()).value();
    const auto views = columns.views();
    Compiled out;
    out.offsets.resize(rows + 1);
    out.slots.resize(compiler.entries_max(views, rows));
    out.values.resize(compiler.has_values() ? out.slots.size() : 0);
    std::vector<std::uint64_t> scratch(compiler.scratch_words());
    out.counts = compiler.compile(
        views, rows, {.offsets = out.offsets, .slots = out.slots, .values = out.values}, scratch);
    REQUIRE(out.counts.entries <= out.slots.size());
    return out;
}

// A feature's slot by the definition in hash.h.
std::uint32_t slot_for(const FeatureSpec& spec, const std::string& column, std::int64_t value) {
    const auto mask = static_cast<std::uint32_t>((1ULL << spec.bits) - 1);
    return slot_of(IntegerHash(hash_bytes(column, spec.seed))(value), mask);
}

TEST_CASE("hashed columns give one feature per value after the constant", "[ml][features]") {
    Columns columns;
    columns.integers("a", {5, 6});
    columns.narrow("b", {5, 7});
    const FeatureSpec spec{.columns = {{.name = "a"}, {.name = "b"}}};
    const Compiled out = compiled(spec, columns, 2);
    CHECK(out.row(0) ==
          std::vector<std::uint32_t>{0, slot_for(spec, "a", 5), slot_for(spec, "b", 5)});
    CHECK(out.row(1) ==
          std::vector<std::uint32_t>{0, slot_for(spec, "a", 6), slot_for(spec, "b", 7)});
    CHECK(slot_for(spec, "a", 5) != slot_for(spec, "b", 5));
}

TEST_CASE("one value hashes alike whatever the type that carries it", "[ml][features]") {
    const FeatureSpec spec{.columns = {{.name = "a"}}};
    Columns wide, narrow, real, boolean;
    wide.integers("a", {1});
    narrow.narrow("a", {1});
    real.reals("a", {1.0});
    boolean.bits("a", {1});
    const auto expected = compiled(spec, wide, 1).slots;
    CHECK(compiled(spec, narrow, 1).slots == expected);
    CHECK(compiled(spec, real, 1).slots == expected);
    CHECK(compiled(spec, boolean, 1).slots == expected);
}

TEST_CASE("text is hashed by XXH3 with the column's seed", "[ml][features]") {
    Columns columns;
    columns.texts("site", {"app", ""});
    const FeatureSpec spec{.seed = 9, .columns = {{.name = "site"}}};
    const Compiled out = compiled(spec, columns, 2);
    const std::uint64_t seed = hash_bytes("site", 9);
    CHECK(out.row(0)[1] == slot_of(hash_bytes("app", seed), (1U << 22) - 1));
    CHECK(out.row(1)[1] == slot_of(hash_bytes("", seed), (1U << 22) - 1));
}

TEST_CASE("null gives no feature, NaN no category", "[ml][features]") {
    Columns columns;
    columns.integers("a", {5, 6, 7}, {0b101});
    columns.reals("b", {1, 2, std::nan("")});
    const FeatureSpec spec{.columns = {{.name = "a"}, {.name = "b"}}};
    const Compiled out = compiled(spec, columns, 3);
    CHECK(out.row(0).size() == 3);
    CHECK(out.row(1) == std::vector<std::uint32_t>{0, slot_for(spec, "b", 2)});
    CHECK(out.row(2) == std::vector<std::uint32_t>{0, slot_for(spec, "a", 7)});
}

TEST_CASE("rows do not depend on blocks, slices or their neighbours' nulls", "[ml][features]") {
    const std::uint64_t seed = GENERATE(1U, 2U, 3U);
    CAPTURE(seed);
    Random random(seed);
    constexpr std::uint32_t rows = 300;
    std::vector<std::int64_t> numbers, clean;
    std::vector<std::string> texts;
    std::vector<std::vector<std::int64_t>> lists;
    std::vector<std::uint8_t> some((rows + 7) / 8);
    for (std::uint8_t& bits : some) bits = static_cast<std::uint8_t>(random.next());
    for (std::uint32_t r = 0; r < rows; ++r) {
        numbers.push_back(static_cast<std::int64_t>(random.below(50)));
        clean.push_back(static_cast<std::int64_t>(random.below(50)));
        texts.emplace_back(random.below(4), 'x');
        lists.emplace_back(random.below(4), static_cast<std::int64_t>(r));
    }
    Columns columns;
    columns.integers("a", numbers, some);
    columns.integers("b", clean);
    columns.texts("c", texts, some);
    columns.lists("d", lists, some);
    const FeatureSpec spec{.columns = {{.name = "a"},
                                       {.name = "b"},
                                       {.name = "c"},
                                       {.name = "d", .kind = FeatureKind::kHashedList},
                                       {.name = "n", .from = "b", .kind = FeatureKind::kNumber}},
                           .crosses = {{"a", "b"}, {"b", "d"}, {"a", "b", "c"}}};
    const Compiled whole = compiled(spec, columns, rows);
    for (std::uint32_t r = 0; r < rows; ++r) {
        columns.start_at(r);
        const Compiled alone = compiled(spec, columns, 1);
        REQUIRE(alone.row(0) == whole.row(r));
        REQUIRE(alone.row_values(0) == whole.row_values(r));
    }
}

TEST_CASE("the order of declaration changes nothing", "[ml][features]") {
    Columns columns;
    columns.integers("a", {1, 2});
    columns.integers("b", {3, 4});
    const FeatureSpec one{.columns = {{.name = "a"}, {.name = "b"}}, .crosses = {{"a", "b"}}};
    const FeatureSpec other{.columns = {{.name = "b"}, {.name = "a"}}, .crosses = {{"b", "a"}}};
    CHECK(compiled(one, columns, 2).slots == compiled(other, columns, 2).slots);
    CHECK(one.hash() == other.hash());
}

TEST_CASE("what changes features changes the spec's hash", "[ml][features]") {
    const FeatureSpec base{.columns = {{.name = "a"}, {.name = "b"}}};
    std::set<std::uint64_t> hashes{base.hash()};
    FeatureSpec changed = base;
    changed.bits = 21;
    hashes.insert(changed.hash());
    changed = base;
    changed.seed = 2;
    hashes.insert(changed.hash());
    changed = base;
    changed.columns[0].from = "c";
    hashes.insert(changed.hash());
    changed = base;
    changed.columns[0].kind = FeatureKind::kNumber;
    hashes.insert(changed.hash());
    changed = base;
    changed.crosses = {{"a", "b"}};
    hashes.insert(changed.hash());
    REQUIRE(hashes.size() == 6);
}

TEST_CASE("buckets take the interval that begins at or below the number", "[ml][features]") {
    Columns columns;
    columns.reals("x", {-1, 0, 0.5, 1, 9, std::nan(""), 0}, {0b0111111});
    const FeatureSpec spec{
        .columns = {{.name = "x", .kind = FeatureKind::kBuckets, .edges = {0, 1}}}};
    const Compiled out = compiled(spec, columns, 7);
    const std::vector<std::int64_t> expected{0, 1, 1, 2, 2};
    for (std::size_t r = 0; r < expected.size(); ++r) {
        CAPTURE(r);
        CHECK(out.row(r)[1] == slot_for(spec, "x", expected[r]));
    }
    const std::uint32_t missing = slot_for(spec, "x", std::numeric_limits<std::int64_t>::min());
    CHECK(out.row(5)[1] == missing);
    CHECK(out.row(6)[1] == missing);
}

TEST_CASE("log_squared keeps numbers up to 2 and buckets the rest", "[ml][features]") {
    Columns columns;
    // floor(ln(3)^2) = 1, floor(ln(1000)^2) = 47; 1 itself is another token than the 1 of 3.
    columns.integers("x", {-1, 0, 1, 2, 3, 4, 1000});
    const FeatureSpec spec{
        .columns = {
            {.name = "x", .kind = FeatureKind::kBuckets, .transform = Transform::kLogSquared}}};
    const Compiled out = compiled(spec, columns, 7);
    const std::vector<std::int64_t> expected{-1, 1, 3, 5, 2, 2, 94};
    for (std::size_t r = 0; r < expected.size(); ++r) {
        CAPTURE(r);
        CHECK(out.row(r)[1] == slot_for(spec, "x", expected[r]));
    }
}

TEST_CASE("numbers carry their value, transformed", "[ml][features]") {
    Columns columns;
    columns.reals("x", {0, std::exp(1.0) - 1, -1, -5, 1}, {0b01111});
    const FeatureSpec spec{.columns = {
                               {.name = "x", .kind = FeatureKind::kNumber},
                               {.name = "y",
                                .from = "x",
                                .kind = FeatureKind::kNumber,
                                .transform = Transform::kLog1p},
                           }};
    const Compiled out = compiled(spec, columns, 5);
    CHECK(out.row_values(0) == std::vector<float>{1, 0, 0});
    CHECK(out.row_values(1)[2] == Approx(1.0F));
    CHECK(std::isnan(out.row_values(2)[2]));
    CHECK(out.row_values(3)[1] == -5);
    CHECK(out.row(4).size() == 1);
}

TEST_CASE("standardized numbers stand right after the constant, missing ones as -0",
          "[ml][features]") {
    Columns columns;
    columns.integers("a", {7, 7, 7});
    columns.reals("z", {0, 3, 4}, {0b011});
    const FeatureSpec spec{
        .columns = {{.name = "a"},
                    {.name = "z", .kind = FeatureKind::kNumber, .scale = Scale::kStandardize}}};
    const Compiled out = compiled(spec, columns, 3);
    CHECK(out.row_values(0) == std::vector<float>{1, 0, 1});
    CHECK_FALSE(std::signbit(out.row_values(0)[1]));
    CHECK(out.row_values(1)[1] == 3);
    CHECK(out.row(2).size() == 3);
    CHECK(std::signbit(out.row_values(2)[1]));
    CHECK(out.row(0)[2] == slot_for(spec, "a", 7));
}

TEST_CASE("take reads hour and weekday in UTC", "[ml][features]") {
    // 2026-11-21 (a Saturday) 12:34:56 UTC; 1969-12-31 (a Wednesday) 23:59:59.999 UTC.
    Columns columns;
    columns.timestamps("ts", {1795264496000, -1});
    const FeatureSpec spec{.columns = {{.name = "day", .from = "ts", .take = Take::kDayOfWeek},
                                       {.name = "hour", .from = "ts", .take = Take::kHourOfDay}}};
    const Compiled out = compiled(spec, columns, 2);
    CHECK(out.row(0) ==
          std::vector<std::uint32_t>{0, slot_for(spec, "day", 5), slot_for(spec, "hour", 12)});
    CHECK(out.row(1) ==
          std::vector<std::uint32_t>{0, slot_for(spec, "day", 2), slot_for(spec, "hour", 23)});
}

TEST_CASE("lists give a feature per item up to their limit", "[ml][features]") {
    Columns columns;
    columns.lists("tags", {{1, 2}, {}, {1, 2, 3, 4, 5}});
    const FeatureSpec spec{.list_items = 3,
                           .columns = {{.name = "tags", .kind = FeatureKind::kHashedList}}};
    const Compiled out = compiled(spec, columns, 3);
    CHECK(out.row(0) ==
          std::vector<std::uint32_t>{0, slot_for(spec, "tags", 1), slot_for(spec, "tags", 2)});
    CHECK(out.row(1) == std::vector<std::uint32_t>{0});
    CHECK(out.row(2).size() == 4);
    CHECK(out.counts.list_items_dropped == 2);
}

TEST_CASE("a cross of a list has a feature per item", "[ml][features]") {
    Columns columns;
    columns.lists("tags", {{1, 2}});
    columns.integers("ad", {9});
    const FeatureSpec spec{
        .columns = {{.name = "ad"}, {.name = "tags", .kind = FeatureKind::kHashedList}},
        .crosses = {{"tags", "ad"}}};
    const Compiled out = compiled(spec, columns, 1);
    const std::uint64_t ad = IntegerHash(hash_bytes("ad", 1))(9);
    const IntegerHash tags(hash_bytes("tags", 1));
    const std::uint32_t mask = (1U << 22) - 1;
    REQUIRE(out.row(0).size() == 6);
    CHECK(out.row(0)[4] == slot_of(cross_keys(ad, tags(1)), mask));
    CHECK(out.row(0)[5] == slot_of(cross_keys(ad, tags(2)), mask));
}

TEST_CASE("entries of a row stay within what was promised", "[ml][features]") {
    Columns columns;
    columns.lists("tags", {std::vector<std::int64_t>(100, 3)});
    columns.integers("ad", {9});
    const FeatureSpec spec{
        .list_items = 10,
        .columns = {{.name = "ad"}, {.name = "tags", .kind = FeatureKind::kHashedList}},
        .crosses = {{"tags", "ad"}}};
    const auto compiler = FeatureCompiler::create(spec, columns.types()).value();
    CHECK(compiler.entries_per_row_max() == 1 + 1 + 10 + 10);
    CHECK(compiler.entries_per_row_usual() == 4);
    CHECK(compiler.entries_max(columns.views(), 1) == 22);
    CHECK(compiled(spec, columns, 1).row(0).size() == 22);
}

struct Refusal {
    FeatureSpec spec;
    std::string word;
};

FeatureSpec one(FeatureColumn column) { return {.columns = {std::move(column)}}; }

TEST_CASE("FeatureSpec refuses what it cannot mean", "[ml][features]") {
    const std::vector<Refusal> refusals{
        {{.columns = {}}, "at least one column"},
        {{.bits = 7, .columns = {{.name = "a"}}}, "bits must be 8 to 31"},
        {{.bits = 32, .columns = {{.name = "a"}}}, "bits must be 8 to 31"},
        {{.list_items = 0, .columns = {{.name = "a"}}}, "list_items"},
        {{.columns = {{.name = "a"}, {.name = "a"}}}, "declared twice: a"},
        {one({.name = ""}), "no name"},
        {one({.name = "a", .kind = FeatureKind::kBuckets}), "1 to 1024 edges"},
        {one({.name = "a", .kind = FeatureKind::kBuckets, .edges = {1, 1}}), "rising"},
        {one({.name = "a", .kind = FeatureKind::kBuckets, .edges = {std::nan("")}}), "rising"},
        {one({.name = "a", .edges = {1}}), "edges belong to buckets"},
        {one({.name = "a", .transform = Transform::kLog1p}), "log1p"},
        {one({.name = "a", .transform = Transform::kLogSquared}), "log_squared"},
        {one({.name = "a", .scale = Scale::kStandardize}), "standardize"},
        {{.columns = {{.name = "a"}}, .crosses = {{"a"}}}, "2 to 8 columns"},
        {{.columns = {{.name = "a"}}, .crosses = {{"a", "b"}}}, "not there: b"},
        {{.columns = {{.name = "a"}, {.name = "b"}}, .crosses = {{"a", "a"}}}, "column twice"},
        {{.columns = {{.name = "a"}, {.name = "b"}}, .crosses = {{"a", "b"}, {"b", "a"}}},
         "declared twice: a x b"},
        {{.columns = {{.name = "a"}, {.name = "n", .kind = FeatureKind::kNumber}},
          .crosses = {{"a", "n"}}},
         "cannot have the number n"},
        {{.columns = {{.name = "a", .kind = FeatureKind::kHashedList},
                      {.name = "b", .kind = FeatureKind::kHashedList}},
          .crosses = {{"a", "b"}}},
         "more than one list"},
    };
    for (const Refusal& refusal : refusals) {
        const Status status = refusal.spec.validate();
        CAPTURE(refusal.word);
        REQUIRE_FALSE(status);
        CHECK(status.error().code == Code::kInvalidOption);
        CHECK_THAT(status.error().message, Catch::Contains(refusal.word));
    }
}

TEST_CASE("FeatureSpec counts columns and crosses against its limits", "[ml][features]") {
    FeatureSpec spec{.columns = {}};
    for (std::uint32_t c = 0; c < kColumnsMax; ++c) {
        spec.columns.push_back({.name = "c" + std::to_string(c)});
    }
    CHECK(spec.validate());
    spec.crosses = {{"c0", "c1"}};
    CHECK_FALSE(spec.validate());
    spec = {.columns = {}};
    for (std::uint32_t c = 0; c <= kScaledColumnsMax; ++c) {
        spec.columns.push_back({.name = "c" + std::to_string(c),
                                .kind = FeatureKind::kNumber,
                                .scale = Scale::kStandardize});
    }
    CHECK_FALSE(spec.validate());
    spec.columns.pop_back();
    CHECK(spec.validate());
}

TEST_CASE("FeatureCompiler refuses fields of the wrong type", "[ml][features]") {
    const auto refused = [](const FeatureColumn& column, FieldType type) {
        const auto compiler = FeatureCompiler::create(one(column), std::vector{type});
        REQUIRE_FALSE(compiler);
        return compiler.error().message;
    };
    CHECK_THAT(refused({.name = "a"}, {.kind = ColumnKind::kList}), Catch::Contains("hashed_list"));
    CHECK_THAT(refused({.name = "a", .kind = FeatureKind::kHashedList}, {ColumnKind::kString}),
               Catch::Contains("reads a list"));
    CHECK_THAT(refused({.name = "a", .kind = FeatureKind::kNumber}, {ColumnKind::kString}),
               Catch::Contains("number"));
    CHECK_THAT(refused({.name = "a", .take = Take::kHourOfDay}, {ColumnKind::kInt64}),
               Catch::Contains("timestamp"));
}

}  // namespace
}  // namespace millrace::ml
