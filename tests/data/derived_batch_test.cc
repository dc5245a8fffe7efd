#include "runtime/data/derived_batch.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "runtime/data/batch_memory.h"
#include "tests/data/random_batch.h"
#include "tests/support/slot_world.h"

namespace millrace::data {
namespace {

using test::SlotWorld;

BatchPtr numbers(SlotWorld& world, std::int64_t count) {
    BatchBuilder builder(*Schema::make({{"n", {Kind::kInt64, {}}}, {"t", {Kind::kString, {}}}}),
                         world.batches());
    MILLRACE_CHECK(builder.begin().has_value());
    for (std::int64_t i = 0; i < count; ++i) {
        builder.set_int64(0, i);
        MILLRACE_CHECK(builder.set_text(1, std::to_string(i)).has_value());
        builder.end_row({1, i, 1000 + i});
    }
    return builder.finish();
}

// Adds a column with twice the number.
BatchPtr doubled(SlotWorld& world, const BatchPtr& parent) {
    const auto schema = *Schema::make({{"t", {Kind::kString, {}}}, {"d", {Kind::kInt64, {}}}});
    auto derived = DerivedBatch::make(schema, parent, world.batches(), parent->rows() * 8 + 64);
    MILLRACE_CHECK(derived.has_value());
    derived->borrow(0, 1);
    const auto values = derived->array<std::int64_t>(parent->rows());
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = 2 * parent->column(0).as<std::int64_t>()[i];
    }
    derived->set(1, {.values = reinterpret_cast<const std::byte*>(values.data())});
    return std::move(*derived).finish();
}

TEST_CASE("DerivedBatch adds a column and keeps its parent alive", "[data][derived_batch]") {
    SlotWorld world;
    BatchPtr parent = numbers(world, 3);
    const std::int64_t* const ordinals = parent->positions().ordinal;
    const BatchPtr batch = doubled(world, parent);
    parent = {};
    REQUIRE(test::text_of(*batch) ==
            test::RowTexts{"@1/0/1000 '30' 0", "@1/1/1001 '31' 2", "@1/2/1002 '32' 4"});
    REQUIRE(batch->positions().ordinal == ordinals);
    REQUIRE(batch->own_bytes() == world.batches().page_bytes());
    // Offsets 16, text 3, numbers 24, positions 60.
    REQUIRE(batch->bytes() == 103);
}

TEST_CASE("A derived batch and its parent give their memory back together",
          "[data][derived_batch]") {
    SlotWorld world;
    {
        const BatchPtr batch = doubled(world, numbers(world, 1000));
        REQUIRE(world.slot().bytes_in_use() > 0);
    }
    REQUIRE(world.slot().bytes_in_use() == 0);
}

TEST_CASE("DerivedBatch that is never finished gives its memory back", "[data][derived_batch]") {
    SlotWorld world;
    {
        const auto derived =
            DerivedBatch::make(numbers(world, 1)->schema(), numbers(world, 1), world.batches(), 64);
        REQUIRE(derived.has_value());
    }
    REQUIRE(world.slot().bytes_in_use() == 0);
}

TEST_CASE("Gathering copies exactly the named rows of any batch", "[data][gather]") {
    SlotWorld world;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        const SchemaPtr schema = test::random_schema(random, 12);
        auto made = test::random_batch(random, schema, 1 + random.below(300), {}, world.batches());
        std::vector<std::uint16_t> rows;
        test::RowTexts expected;
        for (std::uint16_t row = 0; row < made.rows.size(); ++row) {
            if (random.below(3) == 0) {
                rows.push_back(row);
                expected.push_back(made.rows[row]);
            }
        }
        const BatchPtr gathered = *gather(made.batch, rows, world.batches());
        const BatchPtr whole = *compact(made.batch, world.batches());
        made.batch = {};
        REQUIRE(test::text_of(*gathered) == expected);
        REQUIRE(test::text_of(*whole) == made.rows);
    }
}

TEST_CASE("Gathering fails when the slot has no memory, and leaves nothing behind",
          "[data][gather]") {
    SlotWorld world(std::size_t{1} << 20);
    const BatchPtr batch = numbers(world, 1024);
    const std::size_t before = world.slot().bytes_in_use();
    {
        std::vector<memory::Segment> hogs;
        for (auto page = world.batches().allocate(1); page; page = world.batches().allocate(1)) {
            hogs.push_back(*std::move(page));
        }
        REQUIRE_FALSE(compact(batch, world.batches()).has_value());
    }
    REQUIRE(world.slot().bytes_in_use() == before);
}

}  // namespace
}  // namespace millrace::data
