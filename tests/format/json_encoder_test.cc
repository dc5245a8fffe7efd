#include "operators/format/json_encoder.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include <catch2/catch.hpp>

#include "operators/format/json_decoder.h"
#include "operators/format/json_writer.h"
#include "operators/format/raw_encoder.h"
#include "tests/format/decoding.h"
#include "tests/support/heap_count.h"

namespace millrace::operators {
namespace {

using data::BatchBuilder;
using data::BatchPtr;
using data::Kind;
using data::Schema;
using data::SchemaPtr;
using test::SlotWorld;

std::vector<std::string> encode_all(RecordEncoder& encoder, const data::Batch& batch,
                                    std::size_t room_bytes = 1 << 20, std::size_t ends_max = 1024) {
    std::vector<std::string> records;
    std::string room(room_bytes, '#');
    std::vector<std::uint32_t> ends(ends_max);
    while (records.size() < batch.rows()) {
        const std::size_t count = encoder.encode(batch, records.size(), room, ends);
        REQUIRE(count > 0);
        std::size_t begin = 0;
        for (std::size_t i = 0; i < count; ++i) {
            records.push_back(room.substr(begin, ends[i] - begin));
            begin = ends[i];
        }
    }
    return records;
}

// One row with one column, which `set` fills.
template <class Set>
std::string encode_one(data::Type type, Set set) {
    SlotWorld world;
    BatchBuilder builder(*Schema::make({{"a", type}}), world.batches());
    REQUIRE(builder.begin());
    set(builder);
    builder.end_row({});
    const auto encoder = *JsonEncoder::make(builder.schema());
    const std::string record = encode_all(*encoder, *builder.finish()).at(0);
    REQUIRE(record.starts_with("{\"a\":"));
    return record.substr(5, record.size() - 6);
}

std::string text(std::string_view value) {
    return encode_one({Kind::kString, {}},
                      [&](BatchBuilder& row) { REQUIRE(row.set_text(0, value)); });
}

std::string written(double value) {
    return encode_one({Kind::kFloat64, {}}, [&](BatchBuilder& row) { row.set_float64(0, value); });
}

std::string written(float value) {
    return encode_one({Kind::kFloat32, {}}, [&](BatchBuilder& row) { row.set_float32(0, value); });
}

std::string written(std::int64_t value) {
    return encode_one({Kind::kInt64, {}}, [&](BatchBuilder& row) { row.set_int64(0, value); });
}

TEST_CASE("JsonEncoder writes the prediction record", "[format][json_encoder]") {
    SlotWorld world;
    const SchemaPtr schema =
        *Schema::make({{"impression_id", {Kind::kString, {}}},
                       {"ts", {Kind::kTimestampMs, {}}},
                       {"predictions.ctr.score", {Kind::kFloat32, {}}},
                       {"predictions.ctr.version", {Kind::kInt64, {}}},
                       {"predictions.ctr_bayes.score", {Kind::kFloat32, {}}},
                       {"predictions.ctr_bayes.variance", {Kind::kFloat32, {}}},
                       {"predictions.ctr_bayes.version", {Kind::kInt64, {}}}});
    BatchBuilder builder(schema, world.batches());
    REQUIRE(builder.begin());
    REQUIRE(builder.set_text(0, "i42"));
    builder.set_int64(1, 1'700'000'000'000);
    builder.set_float32(2, 0.0913F);
    builder.set_int64(3, 412);
    builder.set_float32(4, 0.0871F);
    builder.set_float32(5, 0.0022F);
    builder.set_int64(6, 409);
    builder.end_row({});
    const auto encoder = *JsonEncoder::make(schema);
    REQUIRE(encode_all(*encoder, *builder.finish()).at(0) ==
            R"({"impression_id":"i42","ts":1700000000000,"predictions":{"ctr":{"score":0.0913,)"
            R"("version":412},"ctr_bayes":{"score":0.0871,"variance":0.0022,"version":409}}})");
}

TEST_CASE("JsonEncoder gathers the parts of an object wherever its columns stand",
          "[format][json_encoder]") {
    SlotWorld world;
    const SchemaPtr schema = *Schema::make(
        {{"a.x", {Kind::kInt32, {}}}, {"b", {Kind::kInt32, {}}}, {"a.y.z", {Kind::kInt32, {}}}});
    BatchBuilder builder(schema, world.batches());
    REQUIRE(builder.begin());
    builder.set_int32(0, 1);
    builder.set_int32(1, 2);
    builder.end_row({});
    const auto encoder = *JsonEncoder::make(schema);
    REQUIRE(encode_all(*encoder, *builder.finish()).at(0) ==
            R"({"a":{"x":1,"y":{"z":null}},"b":2})");
}

TEST_CASE("JsonEncoder refuses names that no object can have", "[format][json_encoder]") {
    const auto refusal = [](std::vector<data::Field> fields) {
        return JsonEncoder::make(*Schema::make(std::move(fields))).error().message;
    };
    const data::Type type{Kind::kInt32, {}};
    REQUIRE(refusal({{"a", type}, {"a.b", type}}) ==
            "format `json` cannot write field `a.b`: `a` would be both a value and an object");
    REQUIRE(refusal({{"a.b", type}, {"a", type}}) ==
            "format `json` cannot write field `a`: `a` would be both a value and an object");
    REQUIRE(refusal({{"a..b", type}}) ==
            "format `json` cannot write field `a..b`: a part between dots is empty");
    REQUIRE(refusal({{"a", {Kind::kFeatures, {}}}}) ==
            "format `json` cannot write features: field `a`");
}

// As Python's json.dumps(ensure_ascii=False) writes them.
TEST_CASE("JsonEncoder escapes text as JSON wants it", "[format][json_encoder]") {
    REQUIRE(text("") == R"("")");
    REQUIRE(text("plain") == R"("plain")");
    REQUIRE(text("a\"b\\c/d") == R"("a\"b\\c/d")");
    REQUIRE(text("\b\f\n\r\t") == R"("\b\f\n\r\t")");
    REQUIRE(text(std::string_view("\0\x1f\x7f", 3)) == "\"\\u0000\\u001f\x7f\"");
    REQUIRE(text("h\xc3\xa9llo \xf0\x9f\x98\x80") == "\"h\xc3\xa9llo \xf0\x9f\x98\x80\"");
    REQUIRE(text("a\xff"
                 "b\xc3") ==
            "\"a\xef\xbf\xbd"
            "b\xef\xbf\xbd\"");
    REQUIRE(text(std::string(40, 'x') + "\n") == "\"" + std::string(40, 'x') + "\\n\"");
}

TEST_CASE("JsonEncoder writes the shortest number that reads back", "[format][json_encoder]") {
    REQUIRE(written(0.1) == "0.1");
    REQUIRE(written(-0.0) == "-0");
    REQUIRE(written(1e20) == "1e+20");
    REQUIRE(written(1e-5) == "1e-05");
    REQUIRE(written(5e-324) == "5e-324");
    REQUIRE(written(1.7976931348623157e308) == "1.7976931348623157e+308");
    REQUIRE(written(0.0913F) == "0.0913");
    REQUIRE(written(1.0F) == "1");
    REQUIRE(written(0.0F) == "0");
    REQUIRE(written(1.0F / 3.0F) == "0.33333334");
    REQUIRE(written(std::numeric_limits<float>::quiet_NaN()) == "null");
    REQUIRE(written(-std::numeric_limits<double>::infinity()) == "null");
    REQUIRE(written(std::int64_t{0}) == "0");
    REQUIRE(written(std::int64_t{99'999'999}) == "99999999");
    REQUIRE(written(std::int64_t{100'000'000}) == "100000000");
    REQUIRE(written(std::int64_t{1'700'000'000'042}) == "1700000000042");
    REQUIRE(written(std::int64_t{10'000'000'000'000'000}) == "10000000000000000");
    REQUIRE(written(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
}

TEST_CASE("JsonEncoder's floats read back to the same bits and are as short as can be",
          "[format][json_encoder]") {
    Random random(11);
    char room[64];
    for (int i = 0; i < 300'000; ++i) {
        // Scores, and every bit pattern.
        const float value = i % 2 == 0
                                ? static_cast<float>(random.unit())
                                : std::bit_cast<float>(static_cast<std::uint32_t>(random.next()));
        JsonWriter writer(room);
        writer.write_float(value);
        const std::string_view number(room, writer.size());
        CAPTURE(number);
        if (!std::isfinite(value)) {
            REQUIRE(number == "null");
            continue;
        }
        float back = 0;
        std::from_chars(number.data(), number.data() + number.size(), back);
        REQUIRE(std::bit_cast<std::uint32_t>(back) == std::bit_cast<std::uint32_t>(value));
        char shortest[64];
        const auto end = std::to_chars(shortest, shortest + sizeof shortest, value).ptr;
        REQUIRE(number.size() == static_cast<std::size_t>(end - shortest));
    }
}

TEST_CASE("JsonEncoder writes lists, bytes and nulls", "[format][json_encoder]") {
    const auto list = [](Kind element, auto... elements) {
        return encode_one({Kind::kList, element}, [&](BatchBuilder& row) {
            row.begin_list(0);
            REQUIRE((row.append_element(0, elements).has_value() && ...));
        });
    };
    REQUIRE(list(Kind::kInt32) == "[]");
    REQUIRE(list(Kind::kInt32, std::int64_t{1}, std::int64_t{-2}) == "[1,-2]");
    REQUIRE(list(Kind::kBool, std::int64_t{1}, std::int64_t{0}) == "[true,false]");
    REQUIRE(list(Kind::kFloat64, 0.5) == "[0.5]");
    REQUIRE(list(Kind::kString, std::string_view("a\""), std::string_view()) == R"(["a\"",""])");
    REQUIRE(list(Kind::kBytes, std::string_view("\0\xff", 2)) == R"(["AP8="])");
    REQUIRE(encode_one({Kind::kBytes, {}}, [](BatchBuilder& row) {
                REQUIRE(row.set_text(0, "any carnal pleas"));
            }) == R"("YW55IGNhcm5hbCBwbGVhcw==")");
    REQUIRE(encode_one({Kind::kBool, {}}, [](BatchBuilder& row) { row.set_bool(0, true); }) ==
            "true");
    REQUIRE(encode_one({Kind::kString, {}}, [](BatchBuilder&) {}) == "null");
}

// Schemas without floats: the model has their bits, JSON their values.
TEST_CASE("What JsonEncoder writes, JsonDecoder reads back", "[format][json_encoder]") {
    SlotWorld world;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        const SchemaPtr any = test::random_schema(random, 10);
        std::vector<data::Field> fields;
        for (const data::Field& field : any->fields()) {
            const Kind kind = field.type.kind == Kind::kList ? field.type.element : field.type.kind;
            if (kind == Kind::kInt32 || kind == Kind::kInt64 || kind == Kind::kBool ||
                kind == Kind::kBytes || kind == Kind::kTimestampMs) {
                fields.push_back(field);
            }
        }
        const SchemaPtr schema = *Schema::make(std::move(fields));
        const auto made =
            test::random_batch(random, schema, 1 + random.below(100), {}, world.batches());
        const auto encoder = *JsonEncoder::make(schema);
        const auto records = encode_all(*encoder, *made.batch, 4096);
        const auto decoder = *JsonDecoder::make(schema, {});
        const auto decoded = test::decode_all(*decoder, world, records);
        REQUIRE(decoded.bad.empty());
        const auto without_position = [](test::RowTexts rows) {
            for (std::string& row : rows) row.erase(0, row.find(' '));
            return rows;
        };
        if (schema->size() > 0) {
            REQUIRE(without_position(decoded.rows) == without_position(made.rows));
        }
    }
}

TEST_CASE("JsonEncoder stops before the room or the ends run out", "[format][json_encoder]") {
    SlotWorld world;
    BatchBuilder builder(*Schema::make({{"a", {Kind::kString, {}}}}), world.batches());
    REQUIRE(builder.begin());
    for (int i = 0; i < 10; ++i) {
        REQUIRE(builder.set_text(0, std::string(92, 'x')));
        builder.end_row({});
    }
    const BatchPtr batch = builder.finish();
    const auto encoder = *JsonEncoder::make(batch->schema());
    std::string room(1000, '#');
    std::vector<std::uint32_t> ends(20);
    const auto encode = [&](std::size_t bytes, std::size_t ends_max) {
        return encoder->encode(*batch, 0, std::span(room).first(bytes),
                               std::span(ends).first(ends_max));
    };
    REQUIRE(encode(1000, 20) == 10);  // 100 bytes a record.
    REQUIRE(ends[9] == 1000);
    REQUIRE(encode(999, 20) == 9);
    REQUIRE(encode(1000, 3) == 3);
    REQUIRE(encode(99, 20) == 0);
    REQUIRE(encode(0, 20) == 0);
    for (std::size_t bytes = 0; bytes < 400; ++bytes) {
        room.assign(1000, '#');
        encode(bytes, 20);
        REQUIRE(room.find_first_not_of('#', bytes) == std::string::npos);
    }
}

TEST_CASE("JsonEncoder allocates nothing on the heap after its first batch",
          "[format][json_encoder]") {
    SlotWorld world;
    BatchBuilder builder(*Schema::make({{"a", {Kind::kString, {}}}, {"b", {Kind::kFloat32, {}}}}),
                         world.batches());
    REQUIRE(builder.begin());
    for (int i = 0; i < 1000; ++i) {
        REQUIRE(builder.set_text(0, "some text that is \"quoted\""));
        builder.set_float32(1, 0.1F * static_cast<float>(i));
        builder.end_row({});
    }
    const BatchPtr batch = builder.finish();
    const auto encoder = *JsonEncoder::make(batch->schema());
    std::string room(1 << 20, '#');
    std::vector<std::uint32_t> ends(1024);
    REQUIRE(encoder->encode(*batch, 0, room, ends) == 1000);  // Takes what it keeps.
    const std::uint64_t before = test::heap_allocations();
    const std::size_t encoded = encoder->encode(*batch, 0, room, ends);
    const std::uint64_t after = test::heap_allocations();
    REQUIRE(encoded == 1000);
    REQUIRE(after == before);
}

TEST_CASE("RawEncoder writes one column's bytes", "[format][raw_encoder]") {
    SlotWorld world;
    const SchemaPtr schema =
        *Schema::make({{"code", {Kind::kString, {}}}, {"payload", {Kind::kBytes, {}}}});
    BatchBuilder builder(schema, world.batches());
    REQUIRE(builder.begin());
    for (const char* const payload : {"{bad", "", "\xff\n"}) {
        REQUIRE(builder.set_text(0, "bad_json"));
        REQUIRE(builder.set_text(1, payload));
        builder.end_row({});
    }
    builder.end_row({});
    const BatchPtr batch = builder.finish();
    const auto encoder = *RawEncoder::make(*schema);
    REQUIRE(encode_all(*encoder, *batch, 4, 2) ==
            std::vector<std::string>{"{bad", "", "\xff\n", ""});
    std::uint32_t end = 0;
    char room[3];
    REQUIRE(encoder->encode(*batch, 0, room, {&end, 1}) == 0);
}

TEST_CASE("RawEncoder refuses a column that is not there or is no text", "[format][raw_encoder]") {
    const SchemaPtr kept = *Schema::make({{"n", {Kind::kInt32, {}}}});
    REQUIRE(RawEncoder::make(*kept).error().message ==
            "format `raw` writes column `payload`, which is not there. Hint: use it for the stream "
            "`errors`, or choose another format");
    REQUIRE(RawEncoder::make(*kept, "n").error().message ==
            "format `raw` writes text or bytes, but column `n` is int32");
}

}  // namespace
}  // namespace millrace::operators
