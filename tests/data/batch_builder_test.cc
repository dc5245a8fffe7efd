#include "runtime/data/batch_builder.h"

#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "runtime/data/batch_memory.h"
#include "tests/data/random_batch.h"
#include "tests/support/heap_count.h"
#include "tests/support/slot_world.h"

namespace millrace::data {
namespace {

using test::SlotWorld;

SchemaPtr schema_of(std::vector<Field> fields) { return *Schema::make(std::move(fields)); }

void fill(BatchBuilder& builder, std::size_t column, std::string_view text) {
    REQUIRE(builder.begin());
    while (!builder.is_full()) {
        REQUIRE(builder.set_text(column, text));
        builder.end_row({});
    }
}

TEST_CASE("BatchBuilder gives back what was written, for any schema and any nulls",
          "[data][batch_builder]") {
    SlotWorld world;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        const SchemaPtr schema = test::random_schema(random, 12);
        const auto made = test::random_batch(random, schema, 1 + random.below(kRowsMax),
                                             {.nulls = random.below(101)}, world.batches());
        REQUIRE(test::text_of(*made.batch) == made.rows);
    }
}

TEST_CASE("BatchBuilder leaves out the validity of a column without nulls",
          "[data][batch_builder]") {
    SlotWorld world;
    BatchBuilder builder(schema_of({{"a", {Kind::kInt32, {}}}, {"b", {Kind::kInt32, {}}}}),
                         world.batches());
    REQUIRE(builder.begin());
    for (int row = 0; row < 10; ++row) {
        builder.set_int32(0, row);
        if (row != 7) builder.set_int32(1, row);
        builder.end_row({});
    }
    const BatchPtr batch = builder.finish();
    REQUIRE(batch->column(0).validity == nullptr);
    REQUIRE(batch->column(1).validity != nullptr);
    REQUIRE(batch->column(1).is_null(7));
    REQUIRE(batch->column(1).as<std::int32_t>()[7] == 0);
    REQUIRE_FALSE(batch->column(1).is_null(8));
}

TEST_CASE("BatchBuilder tells an empty text and an empty list from null", "[data][batch_builder]") {
    SlotWorld world;
    BatchBuilder builder(
        schema_of({{"t", {Kind::kString, {}}}, {"l", {Kind::kList, Kind::kString}}}),
        world.batches());
    REQUIRE(builder.begin());
    REQUIRE(builder.set_text(0, ""));
    builder.begin_list(1);
    builder.end_row({});
    builder.end_row({});
    const BatchPtr batch = builder.finish();
    REQUIRE_FALSE(batch->column(0).is_null(0));
    REQUIRE_FALSE(batch->column(1).is_null(0));
    REQUIRE(batch->column(0).is_null(1));
    REQUIRE(batch->column(1).is_null(1));
    REQUIRE(batch->column(1).offsets[2] == 0);
}

TEST_CASE("BatchBuilder forgets an undone row in every column", "[data][batch_builder]") {
    SlotWorld world;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        const SchemaPtr schema = test::random_schema(random, 9);
        BatchBuilder builder(schema, world.batches());
        REQUIRE(builder.begin());
        // All lists of one kind: written, undone, and written shorter.
        const auto write = [&](std::int64_t value, std::size_t elements) {
            for (std::size_t i = 0; i < schema->size(); ++i) {
                const Type type = schema->fields()[i].type;
                if (is_text(type.kind)) {
                    REQUIRE(builder.set_text(i, std::string(elements, 'x')));
                }
                for (std::size_t n = 0; type.kind == Kind::kList && n < elements; ++n) {
                    const bool is_float =
                        type.element == Kind::kFloat32 || type.element == Kind::kFloat64;
                    REQUIRE((is_text(type.element) ? builder.append_element(i, "abc")
                             : is_float ? builder.append_element(i, static_cast<double>(value))
                                        : builder.append_element(i, value)));
                }
            }
        };
        write(1, 3);
        builder.end_row({1, 10, 100});
        write(1, 11);
        builder.undo_row();
        write(0, 2);
        builder.end_row({1, 11, 100});
        builder.end_row({1, 12, 100});
        const auto rows = test::text_of(*builder.finish());
        BatchBuilder direct(schema, world.batches());
        REQUIRE(rows.size() == 3);
        REQUIRE(rows[1].find("true") == std::string::npos);
        REQUIRE(rows[2].find('[') == std::string::npos);
    }
}

TEST_CASE("BatchBuilder is full at its row limit", "[data][batch_builder]") {
    SlotWorld world;
    BatchBuilder builder(schema_of({{"t", {Kind::kString, {}}}}), world.batches());
    fill(builder, 0, "short");
    REQUIRE(builder.rows() == kRowsMax);
    REQUIRE(builder.finish()->rows() == kRowsMax);
}

TEST_CASE("BatchBuilder is full at its byte limit", "[data][batch_builder]") {
    SlotWorld world;
    BatchBuilder builder(schema_of({{"t", {Kind::kString, {}}}}), world.batches());
    fill(builder, 0, std::string(1000, 'x'));
    // 1000 bytes of text, 4 of offset and 20 of position a row: 256 rows reach 256 KiB.
    REQUIRE(builder.rows() == 256);
    const BatchPtr batch = builder.finish();
    REQUIRE(batch->bytes() == 256 * 1024 + 4);
}

TEST_CASE("BatchBuilder takes a row larger than a batch should be", "[data][batch_builder]") {
    SlotWorld world;
    BatchBuilder builder(schema_of({{"t", {Kind::kString, {}}}}), world.batches());
    const std::string text(std::size_t{3} << 20, 'y');
    fill(builder, 0, text);
    const BatchPtr batch = builder.finish();
    REQUIRE(batch->rows() == 1);
    REQUIRE(batch->column(0).text_at(0) == text);
    REQUIRE(batch->own_bytes() >= text.size());
}

TEST_CASE("BatchBuilder makes fewer rows room where rows are wide", "[data][batch_builder]") {
    SlotWorld world;
    std::vector<Field> fields;
    for (std::size_t i = 0; i < Schema::kFieldsMax; ++i) {
        fields.push_back({"f" + std::to_string(i), {Kind::kInt64, {}}});
    }
    BatchBuilder builder(schema_of(std::move(fields)), world.batches());
    // 8212 bytes a row; 32 rows are the first to reach 256 KiB.
    REQUIRE(builder.row_capacity() == 32);
    REQUIRE(builder.begin());
    while (!builder.is_full()) {
        builder.set_int64(Schema::kFieldsMax - 1, 1);
        builder.end_row({});
    }
    REQUIRE(builder.finish()->rows() == 32);
}

TEST_CASE("BatchBuilder learns how much text a batch needs", "[data][batch_builder]") {
    SlotWorld world;
    BatchBuilder builder(schema_of({{"t", {Kind::kString, {}}}}), world.batches());
    const std::string text(200, 'z');
    fill(builder, 0, text);
    const std::size_t first = builder.finish()->own_bytes();
    fill(builder, 0, text);
    const std::size_t second = builder.finish()->own_bytes();
    REQUIRE(second < first);  // No second, larger copy of the area.
}

TEST_CASE("BatchBuilder does not hold a full batch's room for a few rows",
          "[data][batch_builder]") {
    SlotWorld world;
    BatchBuilder builder(schema_of({{"t", {Kind::kString, {}}}, {"n", {Kind::kInt64, {}}}}),
                         world.batches());
    REQUIRE(builder.begin());
    builder.set_int64(1, 5);
    REQUIRE(builder.set_text(0, "five"));
    builder.end_row({3, 4, 5});
    const BatchPtr batch = builder.finish();
    REQUIRE(batch->own_bytes() == world.batches().page_bytes());
    REQUIRE(test::text_of(*batch) == test::RowTexts{"@3/4/5 '66697665' 5"});
}

TEST_CASE("BatchBuilder says who holds the slot's memory when a text does not fit",
          "[data][batch_builder]") {
    SlotWorld world(std::size_t{1} << 20);
    BatchBuilder builder(schema_of({{"t", {Kind::kString, {}}}}), world.batches());
    REQUIRE(builder.begin());
    REQUIRE(builder.set_text(0, "kept"));
    builder.end_row({});
    const Status refused = builder.set_text(0, std::string(std::size_t{2} << 20, 'x'));
    REQUIRE_FALSE(refused.has_value());
    REQUIRE(refused.error().code == Code::kResourceExhausted);
    builder.undo_row();
    const BatchPtr batch = builder.finish();
    REQUIRE(batch->rows() == 1);
    REQUIRE(batch->column(0).text_at(0) == "kept");
}

TEST_CASE("BatchBuilder begins again after the slot refused a batch", "[data][batch_builder]") {
    SlotWorld world(std::size_t{1} << 20);
    BatchBuilder builder(schema_of({{"n", {Kind::kInt64, {}}}}), world.batches());
    {
        const auto hog = world.batches().allocate((std::size_t{1} << 20) - (32 << 10));
        REQUIRE(hog.has_value());
        REQUIRE_FALSE(builder.begin().has_value());
    }
    REQUIRE(builder.begin());
    builder.end_row({});
    REQUIRE(builder.finish()->rows() == 1);
}

TEST_CASE("A batch's memory goes back when its last reference is dropped on another thread",
          "[data][batch]") {
    SlotWorld world;
    BatchBuilder builder(schema_of({{"t", {Kind::kString, {}}}}), world.batches());
    fill(builder, 0, std::string(2000, 'x'));
    BatchPtr batch = builder.finish();
    BatchPtr copy = batch;
    const std::size_t before = world.slot().bytes_in_use();
    const std::size_t held = batch->own_bytes();
    batch = {};
    REQUIRE(world.slot().bytes_in_use() == before);
    std::thread([dropped = std::move(copy)]() mutable { dropped = {}; }).join();
    REQUIRE(world.slot().bytes_in_use() == before - held);
}

TEST_CASE("Building batches allocates nothing on the heap per record", "[data][batch_builder]") {
    SlotWorld world;
    BatchBuilder builder(schema_of({{"t", {Kind::kString, {}}},
                                    {"n", {Kind::kInt64, {}}},
                                    {"l", {Kind::kList, Kind::kFloat32}}}),
                         world.batches());
    const auto build = [&] {
        MILLRACE_CHECK(builder.begin().has_value());
        while (!builder.is_full()) {
            MILLRACE_CHECK(builder.set_text(0, "impression").has_value());
            builder.set_int64(1, 5);
            MILLRACE_CHECK(builder.append_element(2, 1.5).has_value());
            builder.end_row({});
        }
        return builder.finish();
    };
    build();
    const std::uint64_t before = test::heap_allocations();
    constexpr std::uint64_t kBatches = 20;
    for (std::uint64_t i = 0; i < kBatches; ++i) build();
    // What is left is the pool's book-keeping, per batch.
    REQUIRE(test::heap_allocations() - before <= 4 * kBatches);
}

}  // namespace
}  // namespace millrace::data
