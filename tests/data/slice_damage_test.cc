#include <cstring>
#include <string>

#include <catch2/catch.hpp>

#include "runtime/data/codec.h"
#include "runtime/data/slice_format.h"
#include "tests/data/random_batch.h"
#include "tests/data/slices.h"
#include "tests/support/buffer_world.h"
#include "tests/support/slot_world.h"

namespace millrace::data {
namespace {

using test::Bytes;

// Three rows of one column of each shape, as one slice of known layout (see the README's example).
class Damage {
  public:
    Damage() {
        BatchBuilder builder(schema_, world_.batches());
        MILLRACE_CHECK(builder.begin().has_value());
        for (std::int64_t row = 0; row < 3; ++row) {
            builder.set_int64(0, row);
            MILLRACE_CHECK(builder.set_text(1, "text").has_value());
            MILLRACE_CHECK(builder.append_element(2, std::string_view("ab")).has_value());
            builder.end_row({});
        }
        SliceEncoder encoder(schema_, world_.batches(), {});
        encoder.start(builder.finish());
        slice = test::drain(encoder, buffers_).at(0);
    }

    template <class T>
    Damage& put(std::size_t at, T value) {
        std::memcpy(slice.data() + at, &value, sizeof value);
        return *this;
    }
    // "" when the slice is sound, else what the decoder says is wrong.
    std::string verdict() {
        SliceDecoder decoder(schema_, world_.batches(), {});
        memory::NetworkBuffer buffer = buffers_.received(slice);
        const auto batch = decoder.decode(buffer);
        if (batch) {
            return "";
        }
        REQUIRE(batch.error().code == Code::kCorruption);
        return batch.error().message.substr(batch.error().message.find(": ") + 2);
    }

    Bytes slice;

  private:
    test::SlotWorld world_;
    test::BufferWorld buffers_{1};
    const SchemaPtr schema_ = *Schema::make({{"n", {Kind::kInt64, {}}},
                                             {"t", {Kind::kString, {}}},
                                             {"l", {Kind::kList, Kind::kString}}});
};

// Header 16, three column headers of 12, rounded up; split 12 (16), ordinal 24, timestamp 24; n 24;
// t: offsets 16, bytes 12 (16); l: offsets 16, element offsets 16, bytes 6 (8).
constexpr std::size_t kColumnHeaders = 16;
constexpr std::size_t kTextOffsets = 56 + 16 + 24 + 24 + 24;
constexpr std::size_t kListOffsets = kTextOffsets + 16 + 16;
constexpr std::size_t kElementOffsets = kListOffsets + 16;
constexpr std::size_t kSliceBytes = kElementOffsets + 16 + 8;

TEST_CASE("A sound slice has the documented layout", "[data][codec]") {
    Damage damage;
    REQUIRE(damage.slice.size() == kSliceBytes);
    std::int32_t offsets[4];
    std::memcpy(offsets, damage.slice.data() + kTextOffsets, sizeof offsets);
    REQUIRE(offsets[1] == 4);
    REQUIRE(offsets[3] == 12);
    std::memcpy(offsets, damage.slice.data() + kElementOffsets, sizeof offsets);
    REQUIRE(offsets[3] == 6);
    REQUIRE(damage.verdict().empty());
}

TEST_CASE("A slice with a damaged header is refused", "[data][codec]") {
    Damage damage;
    SECTION("version") {
        REQUIRE(damage.put(0, std::uint8_t{2}).verdict() == "its version or kind is unknown");
    }
    SECTION("kind") {
        REQUIRE(damage.put(1, std::uint8_t{3}).verdict() == "its version or kind is unknown");
    }
    SECTION("columns") {
        REQUIRE(damage.put(2, std::uint16_t{4}).verdict() ==
                "its columns are not those of the schema");
    }
    SECTION("no rows") { REQUIRE(damage.put(4, 0).verdict() == "its row count is out of range"); }
    SECTION("too many rows") {
        REQUIRE(damage.put(4, 1025).verdict() == "its row count is out of range");
    }
    SECTION("length") {
        REQUIRE(damage.put(8, 999).verdict() == "its length is not what its header says");
    }
    SECTION("more rows than there are bytes for") {
        REQUIRE(damage.put(4, 4).verdict() == "its columns do not fill it");
    }
}

TEST_CASE("A slice cut off anywhere is refused", "[data][codec]") {
    Damage damage;
    while (!damage.slice.empty()) {
        damage.slice.pop_back();
        CAPTURE(damage.slice.size());
        REQUIRE_FALSE(damage.verdict().empty());
    }
}

TEST_CASE("A slice with a column header that does not fit the type is refused", "[data][codec]") {
    Damage damage;
    const std::size_t column = GENERATE(0U, 1U, 2U);
    const std::size_t at = kColumnHeaders + column * 12;
    const std::string does_not_fit = "a column's header does not fit its type";
    SECTION("an unknown flag") { REQUIRE(damage.put(at, 4).verdict() == does_not_fit); }
    SECTION("weights without features") { REQUIRE(damage.put(at, 2).verdict() == does_not_fit); }
    SECTION("a validity that is not there") {
        REQUIRE(damage.put(at, 1).verdict() == "its columns do not fill it");
    }
    SECTION("elements where there are none, or too many") {
        REQUIRE(damage.put(at + 4, 0x7fffffff).verdict() ==
                (column == 2 ? "its columns do not fill it" : does_not_fit));
    }
    SECTION("bytes where there are none, or too many") {
        REQUIRE(damage.put(at + 8, 0xffffffffU).verdict() ==
                (column == 0 ? does_not_fit : "its columns do not fill it"));
    }
}

TEST_CASE("A slice whose offsets do not ascend to the end is refused", "[data][codec]") {
    Damage damage;
    const std::size_t at = GENERATE(kTextOffsets, kListOffsets, kElementOffsets);
    const auto refused = [&](std::size_t index, std::int32_t value) {
        REQUIRE(damage.put(at + index * 4, value).verdict() ==
                "a column's offsets do not ascend to its end");
    };
    SECTION("a first one above 0") { refused(0, 1); }
    SECTION("a negative first one") { refused(0, -1); }
    SECTION("one that falls") { refused(2, 0); }
    SECTION("a last one behind the end") { refused(3, 13); }
    SECTION("a last one before the end") { refused(3, 2); }
}

TEST_CASE("Parts of a row that are missing, repeated or of another row are refused",
          "[data][codec]") {
    test::SlotWorld world;
    test::BufferWorld buffers(1, 4096);
    const CodecLimits limits{.buffer_bytes = 4096};
    BatchBuilder builder(*Schema::make({{"t", {Kind::kString, {}}}}), world.batches());
    REQUIRE(builder.begin());
    REQUIRE(builder.set_text(0, std::string(10'000, 'x')));
    builder.end_row({});
    SliceEncoder encoder(builder.schema(), world.batches(), limits);
    SliceDecoder decoder(builder.schema(), world.batches(), limits);
    encoder.start(builder.finish());
    const auto sent = test::drain(encoder, buffers);
    const auto refused = [&](const std::vector<Bytes>& parts) {
        const auto rows = test::receive(decoder, parts, buffers);
        REQUIRE(rows.error().code == Code::kCorruption);
    };
    SECTION("the first is missing") { refused({sent[1], sent[2]}); }
    SECTION("the second is missing") { refused({sent[0], sent[2]}); }
    SECTION("the second is repeated") { refused({sent[0], sent[1], sent[1]}); }
    SECTION("a slice comes in between") {
        Bytes slice = sent[0];
        slice[1] = std::byte{1};
        refused({sent[0], slice});
    }
    SECTION("another length") {
        Bytes other = sent[1];
        other[4] ^= std::byte{8};
        refused({sent[0], other});
    }
    SECTION("another version") {
        Bytes other = sent[0];
        other[0] = std::byte{2};
        refused({other});
    }
    SECTION("an empty part") { refused({sent[0], Bytes(sent[1].begin(), sent[1].begin() + 8)}); }
    SECTION("more bytes than the row has") {
        Bytes longer = sent[2];
        longer.resize(longer.size() + 1);
        refused({sent[0], sent[1], longer});
    }
}

TEST_CASE("Whatever is flipped in a slice, it is refused or readable", "[data][codec]") {
    test::SlotWorld world;
    test::BufferWorld buffers(1, 4096);
    const CodecLimits limits{.buffer_bytes = 4096};
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        const SchemaPtr schema = test::random_schema(random, 6);
        const auto made = test::random_batch(random, schema, 1 + random.below(9),
                                             {.text_max = 9, .list_max = 3}, world.batches());
        SliceEncoder encoder(schema, world.batches(), limits);
        SliceDecoder decoder(schema, world.batches(), limits);
        encoder.start(made.batch);
        auto sent = test::drain(encoder, buffers);
        for (std::uint64_t flips = 1 + random.below(3); flips > 0; --flips) {
            Bytes& bytes = sent[0];
            bytes[random.below(bytes.size())] ^= std::byte{1} << random.below(8);
        }
        const auto rows = test::receive(decoder, sent, buffers);
        REQUIRE((rows.has_value() || rows.error().code == Code::kCorruption));
    }
}

TEST_CASE("Control elements come back from their bytes", "[data][codec]") {
    const Element element =
        GENERATE(Element(Watermark{-5}), Element(Watermark{1700000000000}),
                 Element(Watermark{1700000000000, true}), Element(Watermark{kNoEventTime, true}),
                 Element(CheckpointBarrier{1ULL << 60, -1}), Element(EndOfInput{}));
    const EventBytes event = encode_event(element);
    const Element decoded = *decode_event(event.span());
    REQUIRE(decoded.index() == element.index());
    REQUIRE(encode_event(decoded).bytes == event.bytes);
    if (const auto* const watermark = std::get_if<Watermark>(&element)) {
        REQUIRE(std::get<Watermark>(decoded) == *watermark);
    }
    if (const auto* const barrier = std::get_if<CheckpointBarrier>(&element)) {
        REQUIRE(std::get<CheckpointBarrier>(decoded) == *barrier);
    }
}

TEST_CASE("A watermark is idle or not, and nothing else", "[data][codec]") {
    const EventBytes event = encode_event(Watermark{7, true});
    // version:u8=2 kind:u8=1 event_time_ms:i64 is_idle:u8
    Bytes bytes{std::byte{2}, std::byte{1}, std::byte{7}, {}, {}, {}, {}, {}, {}, {}, std::byte{1}};
    REQUIRE(std::ranges::equal(event.span(), bytes));
    bytes.back() = {};
    REQUIRE(std::get<Watermark>(*decode_event(bytes)) == Watermark{7, false});
    bytes.back() = std::byte{2};
    REQUIRE(decode_event(bytes).error().code == Code::kCorruption);
    bytes.pop_back();
    REQUIRE(decode_event(bytes).error().code == Code::kCorruption);
}

TEST_CASE("Damaged control elements are refused", "[data][codec]") {
    const EventBytes event = encode_event(CheckpointBarrier{1, 2});
    Bytes bytes(event.span().begin(), event.span().end());
    SECTION("cut off") { bytes.pop_back(); }
    SECTION("too long") { bytes.push_back({}); }
    SECTION("another version") { bytes[0] = std::byte{1}; }
    SECTION("an unknown kind") { bytes[1] = std::byte{9}; }
    SECTION("of another kind") { bytes[1] = std::byte{1}; }
    SECTION("empty") { bytes.clear(); }
    REQUIRE(decode_event(bytes).error().code == Code::kCorruption);
}

}  // namespace
}  // namespace millrace::data
