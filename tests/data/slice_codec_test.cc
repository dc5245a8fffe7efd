#include <string>

#include <catch2/catch.hpp>

#include "runtime/data/codec.h"
#include "tests/data/random_batch.h"
#include "tests/data/slices.h"
#include "tests/support/buffer_world.h"
#include "tests/support/heap_count.h"
#include "tests/support/slot_world.h"

namespace millrace::data {
namespace {

using test::Bytes;
using test::SlotWorld;

BatchPtr texts(SlotWorld& world, const std::vector<std::string>& values) {
    BatchBuilder builder(*Schema::make({{"t", {Kind::kString, {}}}}), world.batches());
    for (const std::string& value : values) {
        MILLRACE_CHECK(builder.begin().has_value());
        MILLRACE_CHECK(builder.set_text(0, value).has_value());
        builder.end_row({5, static_cast<std::int64_t>(value.size()), 0});
    }
    return builder.finish();
}

TEST_CASE("A batch comes out of its slices as it went in, for any schema", "[data][codec]") {
    SlotWorld world;
    test::BufferWorld buffers(1, 4096);
    const CodecLimits limits{.buffer_bytes = 4096};
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        const SchemaPtr schema = test::random_schema(random, 12);
        const test::CellSizes sizes{.nulls = random.below(101),
                                    .text_max = random.below(4) == 0 ? 6000U : 20U,
                                    .list_max = random.below(4) == 0 ? 900U : 5U};
        const auto made =
            test::random_batch(random, schema, 1 + random.below(200), sizes, world.batches());
        SliceEncoder encoder(schema, world.batches(), limits);
        SliceDecoder decoder(schema, world.batches(), limits);
        encoder.start(made.batch);
        REQUIRE(*test::receive(decoder, test::drain(encoder, buffers), buffers) == made.rows);
    }
    REQUIRE(world.slot().bytes_in_use() == 0);
}

TEST_CASE("The listed rows of a batch come out of its slices", "[data][codec]") {
    SlotWorld world;
    test::BufferWorld buffers(1, 4096);
    const CodecLimits limits{.buffer_bytes = 4096};
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        const SchemaPtr schema = test::random_schema(random, 12);
        const auto made =
            test::random_batch(random, schema, 1 + random.below(300), {}, world.batches());
        std::vector<std::uint16_t> rows;
        test::RowTexts expected;
        for (std::uint16_t row = 0; row < made.rows.size(); ++row) {
            if (random.below(4) == 0) {
                rows.push_back(row);
                expected.push_back(made.rows[row]);
            }
        }
        SliceEncoder encoder(schema, world.batches(), limits);
        SliceDecoder decoder(schema, world.batches(), limits);
        encoder.start(made.batch, rows);
        REQUIRE(*test::receive(decoder, test::drain(encoder, buffers), buffers) == expected);
    }
}

TEST_CASE("One encoder and one decoder carry batch after batch", "[data][codec]") {
    SlotWorld world;
    test::BufferWorld buffers(1, 4096);
    const CodecLimits limits{.buffer_bytes = 4096};
    Random random(7);
    const SchemaPtr schema = test::random_schema(random, 12);
    SliceEncoder encoder(schema, world.batches(), limits);
    SliceDecoder decoder(schema, world.batches(), limits);
    for (int i = 0; i < 20; ++i) {
        const auto made = test::random_batch(random, schema, 1 + random.below(500),
                                             {.text_max = 200}, world.batches());
        encoder.start(made.batch);
        REQUIRE(*test::receive(decoder, test::drain(encoder, buffers), buffers) == made.rows);
    }
}

TEST_CASE("A received slice is read in place and keeps its buffer", "[data][codec]") {
    SlotWorld world;
    test::BufferWorld buffers(2);
    const BatchPtr batch = texts(world, {"one", "two"});
    SliceEncoder encoder(batch->schema(), world.batches(), {});
    SliceDecoder decoder(batch->schema(), world.batches(), {});
    encoder.start(batch);
    memory::NetworkBuffer buffer = buffers.received(test::drain(encoder, buffers).at(0));
    const std::byte* const first = buffer.data();
    const std::size_t held = world.slot().bytes_in_use();

    BatchPtr slice = **decoder.decode(buffer);
    REQUIRE(buffer.is_empty());
    REQUIRE(buffers.in_use() == 1);
    REQUIRE(slice->column(0).values > first);
    REQUIRE(slice->column(0).values < first + (32 << 10));
    REQUIRE(slice->own_bytes() == 32 << 10);
    REQUIRE(slice->is_short_lived());
    REQUIRE(world.slot().bytes_in_use() == held);
    slice = {};
    REQUIRE(buffers.in_use() == 0);
}

TEST_CASE("A batch derived from a received slice is short-lived, its compact copy is not",
          "[data][codec]") {
    SlotWorld world;
    test::BufferWorld buffers(2);
    const BatchPtr batch = texts(world, {"one"});
    SliceEncoder encoder(batch->schema(), world.batches(), {});
    SliceDecoder decoder(batch->schema(), world.batches(), {});
    encoder.start(batch);
    memory::NetworkBuffer buffer = buffers.received(test::drain(encoder, buffers).at(0));
    const BatchPtr slice = **decoder.decode(buffer);
    auto derived = *DerivedBatch::make(batch->schema(), slice, world.batches(), 64);
    derived.borrow(0, 0);
    const BatchPtr borrowing = std::move(derived).finish();
    REQUIRE(borrowing->is_short_lived());
    const BatchPtr copy = *compact(borrowing, world.batches());
    REQUIRE_FALSE(copy->is_short_lived());
    REQUIRE(test::text_of(*copy) == test::text_of(*batch));
}

TEST_CASE("Slices are well filled", "[data][codec]") {
    SlotWorld world;
    test::BufferWorld buffers(1);
    const BatchPtr batch = texts(world, std::vector<std::string>(1000, std::string(226, 'x')));
    SliceEncoder encoder(batch->schema(), world.batches(), {});
    encoder.start(batch);
    // 250 bytes a row; 131 would fit into a buffer without any header.
    REQUIRE(test::drain(encoder, buffers).size() == 1000 / 128 + 1);
}

TEST_CASE("A row larger than a buffer travels in parts", "[data][codec]") {
    SlotWorld world;
    test::BufferWorld buffers(1, 4096);
    const CodecLimits limits{.buffer_bytes = 4096};
    const BatchPtr batch =
        texts(world, {"before", std::string(10'000, 'x'), "after", std::string(5000, 'y')});
    SliceEncoder encoder(batch->schema(), world.batches(), limits);
    SliceDecoder decoder(batch->schema(), world.batches(), limits);
    encoder.start(batch);
    const std::vector<Bytes> sent = test::drain(encoder, buffers);
    REQUIRE(sent.size() == 1 + 3 + 1 + 2);
    REQUIRE(*test::receive(decoder, sent, buffers) == test::text_of(*batch));
}

TEST_CASE("A row over the limit is refused with its position", "[data][codec]") {
    SlotWorld world;
    test::BufferWorld buffers(1);
    const std::string text(std::size_t{1} << 20, 'x');
    const BatchPtr batch = texts(world, {text});
    const SchemaPtr schema = batch->schema();
    // Header 32, positions 24, offsets 8, text.
    const std::size_t row_bytes = 32 + 24 + 8 + text.size();
    SliceEncoder at_limit(schema, world.batches(), {.row_bytes_max = row_bytes});
    SliceEncoder under_limit(schema, world.batches(), {.row_bytes_max = row_bytes - 1});
    SliceDecoder decoder(schema, world.batches(), {.row_bytes_max = row_bytes});
    at_limit.start(batch);
    const auto sent = test::drain(at_limit, buffers);
    REQUIRE(*test::receive(decoder, sent, buffers) == test::text_of(*batch));

    under_limit.start(batch);
    memory::NetworkBuffer buffer = buffers.lend();
    const Status refused = under_limit.encode_next(buffer);
    REQUIRE(refused.error().code == Code::kResourceExhausted);
    REQUIRE(refused.error().message.find("split 5, ordinal 1048576. Hint:") != std::string::npos);
    buffer.release();

    SliceDecoder strict(schema, world.batches(), {.row_bytes_max = row_bytes - 1});
    REQUIRE(test::receive(strict, sent, buffers).error().code == Code::kCorruption);
}

TEST_CASE("A buffer may be given again after the slot had no room for its row", "[data][codec]") {
    SlotWorld world;
    SlotWorld small(std::size_t{1} << 20);
    test::BufferWorld buffers(1);
    const BatchPtr batch = texts(world, {std::string(600'000, 'x')});
    SliceEncoder encoder(batch->schema(), world.batches(), {});
    SliceDecoder decoder(batch->schema(), small.batches(), {});
    encoder.start(batch);
    const auto sent = test::drain(encoder, buffers);
    {
        const auto hog = small.batches().allocate(600'000);
        memory::NetworkBuffer buffer = buffers.received(sent.at(0));
        REQUIRE(decoder.decode(buffer).error().code == Code::kResourceExhausted);
        REQUIRE(buffer.size() == sent.at(0).size());
    }
    REQUIRE(*test::receive(decoder, sent, buffers) == test::text_of(*batch));
}

TEST_CASE("The widest schema travels, with the batch's header in a page of its own",
          "[data][codec]") {
    SlotWorld world;
    test::BufferWorld buffers(1);
    std::vector<Field> fields;
    for (std::size_t i = 0; i < Schema::kFieldsMax; ++i) {
        fields.push_back({"f" + std::to_string(i), {Kind::kInt64, {}}});
    }
    const SchemaPtr schema = *Schema::make(std::move(fields));
    Random random(3);
    const auto made = test::random_batch(random, schema, 20, {}, world.batches());
    SliceEncoder encoder(schema, world.batches(), {});
    SliceDecoder decoder(schema, world.batches(), {});
    encoder.start(made.batch);
    const auto sent = test::drain(encoder, buffers);
    REQUIRE(sent.size() == 20);  // 12 KiB of headers and 8 KiB of values, 8 KiB of bitmaps.
    REQUIRE(*test::receive(decoder, sent, buffers) == made.rows);
}

TEST_CASE("Features travel with and without weights", "[data][codec]") {
    SlotWorld world;
    test::BufferWorld buffers(1);
    const bool has_weights = GENERATE(false, true);
    const BatchPtr parent = texts(world, {"", "", ""});
    const SchemaPtr schema = *Schema::make({{"x", {Kind::kFeatures, {}}}});
    auto derived = *DerivedBatch::make(schema, parent, world.batches(), 1024);
    const auto slots = derived.array<std::uint32_t>(3);
    const auto offsets = derived.array<std::int32_t>(4);
    const auto weights = derived.array<float>(3);
    for (std::uint32_t i = 0; i < 3; ++i) {
        slots[i] = 100 + i;
        weights[i] = 0.5F * static_cast<float>(i);
    }
    offsets[0] = offsets[1] = 0;
    offsets[2] = offsets[3] = 3;
    derived.set(0, {.values = reinterpret_cast<const std::byte*>(slots.data()),
                    .offsets = offsets.data(),
                    .weights = has_weights ? weights.data() : nullptr});
    const BatchPtr batch = std::move(derived).finish();
    SliceEncoder encoder(schema, world.batches(), {});
    SliceDecoder decoder(schema, world.batches(), {});
    encoder.start(batch);
    const auto rows = *test::receive(decoder, test::drain(encoder, buffers), buffers);
    REQUIRE(rows == test::RowTexts{"@5/0/0 []",
                                   has_weights ? "@5/0/0 [100:0 101:0.5 102:1 ]"
                                               : "@5/0/0 [100:1 101:1 102:1 ]",
                                   "@5/0/0 []"});
}

TEST_CASE("Coding slices allocates nothing on the heap", "[data][codec]") {
    SlotWorld world;
    test::BufferWorld buffers(2);
    const BatchPtr batch = texts(world, std::vector<std::string>(1000, std::string(200, 'x')));
    SliceEncoder encoder(batch->schema(), world.batches(), {});
    SliceDecoder decoder(batch->schema(), world.batches(), {});
    const auto carry = [&] {
        encoder.start(batch);
        while (!encoder.is_done()) {
            memory::NetworkBuffer buffer = buffers.lend();
            MILLRACE_CHECK(encoder.encode_next(buffer).has_value());
            MILLRACE_CHECK(decoder.decode(buffer).has_value());
        }
    };
    carry();
    const std::uint64_t before = test::heap_allocations();
    carry();
    REQUIRE(test::heap_allocations() == before);
}

}  // namespace
}  // namespace millrace::data
