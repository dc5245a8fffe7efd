#include "runtime/data/merge.h"

#include <vector>

#include <catch2/catch.hpp>

#include "runtime/data/batch_memory.h"
#include "tests/data/random_batch.h"
#include "tests/support/slot_world.h"

namespace millrace::data {
namespace {

using test::SlotWorld;

// Features columns have no builder: made by hand, with weights or without.
BatchPtr features_batch(SlotWorld& world, std::vector<std::vector<std::uint32_t>> rows,
                        bool has_weights) {
    BatchBuilder builder(*Schema::make({{"n", {Kind::kInt32, {}}}}), world.batches());
    MILLRACE_CHECK(builder.begin().has_value());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        builder.set_int32(0, static_cast<std::int32_t>(i));
        builder.end_row({0, static_cast<std::int64_t>(i), 0});
    }
    const auto schema = *Schema::make({{"f", {Kind::kFeatures, {}}}});
    auto derived = DerivedBatch::make(schema, builder.finish(), world.batches(), 4096);
    MILLRACE_CHECK(derived.has_value());
    const auto offsets = derived->array<std::int32_t>(rows.size() + 1);
    const auto slots = derived->array<std::uint32_t>(100);
    const auto weights = derived->array<float>(100);
    std::int32_t at = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        offsets[i] = at;
        for (const std::uint32_t slot : rows[i]) {
            slots[static_cast<std::size_t>(at)] = slot;
            weights[static_cast<std::size_t>(at++)] = static_cast<float>(slot) / 2;
        }
    }
    offsets[rows.size()] = at;
    derived->set(0, {.values = reinterpret_cast<const std::byte*>(slots.data()),
                     .offsets = offsets.data(),
                     .weights = has_weights ? weights.data() : nullptr});
    return std::move(*derived).finish();
}

TEST_CASE("merge() says what its parts said, in order", "[data][merge]") {
    const auto seed = GENERATE(range(1, 60));
    CAPTURE(seed);
    Random random(static_cast<std::uint64_t>(seed));
    SlotWorld world;
    const SchemaPtr schema = test::random_schema(random, 8);
    std::vector<test::RandomBatch> batches;
    std::vector<std::vector<std::uint16_t>> rows;
    std::vector<BatchRows> parts;
    test::RowTexts expected;
    for (std::size_t i = 0; i < 1 + random.below(5); ++i) {
        test::CellSizes sizes;
        sizes.nulls = random.below(2) * 30;
        batches.push_back(
            test::random_batch(random, schema, 1 + random.below(150), sizes, world.batches()));
        rows.emplace_back();
        for (std::uint16_t row = 0; row < batches.back().batch->rows(); ++row) {
            if (row > 0 && random.below(2) == 0) continue;
            rows.back().push_back(row);
            expected.push_back(batches.back().rows[row]);
        }
    }
    for (std::size_t i = 0; i < batches.size(); ++i) {
        parts.push_back({.batch = batches[i].batch.get(), .rows = rows[i]});
    }
    const auto merged = merge(parts, world.batches());
    REQUIRE(merged.has_value());
    REQUIRE(test::text_of(**merged) == expected);
}

TEST_CASE("merge() gives features without weights the weight 1 beside those with",
          "[data][merge]") {
    SlotWorld world;
    const BatchPtr plain = features_batch(world, {{7, 8}, {9}}, false);
    const BatchPtr weighted = features_batch(world, {{}, {10, 12}}, true);
    const std::vector<std::uint16_t> all{0, 1};
    const auto merged = merge(std::vector<BatchRows>{{.batch = plain.get(), .rows = all},
                                                     {.batch = weighted.get(), .rows = all}},
                              world.batches());
    REQUIRE(merged.has_value());
    const Column& column = (*merged)->column(0);
    REQUIRE(std::vector<std::int32_t>(column.offsets, column.offsets + 5) ==
            std::vector<std::int32_t>{0, 2, 3, 3, 5});
    REQUIRE(
        std::vector<std::uint32_t>(column.as<std::uint32_t>(), column.as<std::uint32_t>() + 5) ==
        std::vector<std::uint32_t>{7, 8, 9, 10, 12});
    REQUIRE(std::vector<float>(column.weights, column.weights + 5) ==
            std::vector<float>{1, 1, 1, 5, 6});
}

TEST_CASE("merge() keeps nothing of its parts alive", "[data][merge]") {
    SlotWorld world;
    BatchPtr merged;
    {
        const BatchPtr part = features_batch(world, {{1}}, true);
        const std::vector<std::uint16_t> row{0};
        merged =
            *merge(std::vector<BatchRows>{{.batch = part.get(), .rows = row}}, world.batches());
    }
    REQUIRE(world.manager().bytes_in_pages() == merged->own_bytes());
}

}  // namespace
}  // namespace millrace::data
