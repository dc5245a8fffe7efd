#include "operators/format/json_decoder.h"

#include <string>

#include <catch2/catch.hpp>

#include "tests/format/decoding.h"
#include "tests/support/heap_count.h"

namespace millrace::operators {
namespace {

using data::Kind;
using data::Schema;
using test::SlotWorld;

std::unique_ptr<JsonDecoder> decoder_of(
    std::vector<data::Field> fields, const DecodeRules& rules = {},
    JsonDecoder::Shapes shapes = JsonDecoder::Shapes::kPredict) {
    return *JsonDecoder::make(*Schema::make(std::move(fields)), rules, shapes);
}

// What `{"a":<value>}` gives in a column of `type`; asked often enough that the shape is known.
std::string read_as(data::Type type, const std::string& value) {
    SlotWorld world;
    const auto decoder = decoder_of({{"a", type}});
    const std::string good = type.kind == Kind::kList ? R"({"a":[]})" : R"({"a":null})";
    const auto decoded =
        test::decode_all(*decoder, world, {good, good, good, R"({"a":)" + value + "}"});
    REQUIRE(decoder->counts().learned == 1);
    if (!decoded.bad.empty()) {
        return decoded.bad[0].substr(3);
    }
    return decoded.rows[3].substr(decoded.rows[3].find(' ') + 1);
}

struct Case {
    Kind kind;
    std::string value;
    std::string expected;
};

// Expected values are written by hand or come from Python's struct and json.
TEST_CASE("JsonDecoder reads exactly the integers and booleans that a column can hold",
          "[format][json_decoder]") {
    const auto [kind, value, expected] = GENERATE(table<Kind, std::string, std::string>({
        {Kind::kBool, "true", "true"},
        {Kind::kBool, "false", "false"},
        {Kind::kBool, "1", "wrong_type a"},
        {Kind::kBool, "\"true\"", "wrong_type a"},
        {Kind::kBool, "True", "bad_json a"},
        {Kind::kInt32, "0", "0"},
        {Kind::kInt32, "-0", "0"},
        {Kind::kInt32, "12345678", "12345678"},
        {Kind::kInt32, "123456789", "123456789"},
        {Kind::kInt32, "2147483647", "2147483647"},
        {Kind::kInt32, "2147483648", "out_of_range a"},
        {Kind::kInt32, "-2147483648", "-2147483648"},
        {Kind::kInt32, "-2147483649", "out_of_range a"},
        {Kind::kInt32, "99999999999999999999", "out_of_range a"},
        {Kind::kInt32, "1.0", "wrong_type a"},
        {Kind::kInt32, "1e2", "wrong_type a"},
        {Kind::kInt32, "01", "bad_json a"},
        {Kind::kInt32, "00000001", "bad_json a"},
        {Kind::kInt32, "-", "bad_json a"},
        {Kind::kInt32, "+1", "bad_json a"},
        {Kind::kInt32, "1a", "bad_json a"},
        {Kind::kInt32, "1:", "bad_json"},
        {Kind::kInt32, "\"1\"", "wrong_type a"},
        {Kind::kInt32, "true", "wrong_type a"},
        {Kind::kInt32, "[1]", "wrong_type a"},
        {Kind::kInt32, "{\"b\":1}", "wrong_type a"},
        {Kind::kInt32, "nul", "bad_json a"},
        {Kind::kInt64, "9223372036854775807", "9223372036854775807"},
        {Kind::kInt64, "9223372036854775808", "out_of_range a"},
        {Kind::kInt64, "-9223372036854775808", "-9223372036854775808"},
        {Kind::kInt64, "-9223372036854775809", "out_of_range a"},
        {Kind::kInt64, "1700000000000", "1700000000000"},
        {Kind::kInt64, "1234567890123456", "1234567890123456"},
        {Kind::kInt64, "12345678901234567", "12345678901234567"},
        {Kind::kInt64, "012345678901", "bad_json a"},
        {Kind::kTimestampMs, "1700000000000", "1700000000000"},
        {Kind::kTimestampMs, "\"2024-01-01\"", "wrong_type a"},
    }));
    CAPTURE(value);
    REQUIRE(read_as({kind, {}}, value) == expected);
    REQUIRE(read_as({kind, {}}, "null") == "null");
}

TEST_CASE("JsonDecoder reads every real number to its nearest value", "[format][json_decoder]") {
    const auto [kind, value, expected] = GENERATE(table<Kind, std::string, std::string>({
        {Kind::kFloat32, "0.0913", "3dbafb7f"},
        {Kind::kFloat32, "1", "3f800000"},
        {Kind::kFloat32, "3.5e38", "out_of_range a"},
        {Kind::kFloat64, "0.1", "3fb999999999999a"},
        {Kind::kFloat64, "-0.0", "8000000000000000"},
        {Kind::kFloat64, "1e308", "7fe1ccf385ebc8a0"},
        {Kind::kFloat64, "1e309", "out_of_range a"},
        {Kind::kFloat64, "1e-400", "0000000000000000"},
        {Kind::kFloat64, "4.9406564584124654e-324", "0000000000000001"},
        {Kind::kFloat64, "0.12345678901234567890123", "3fbf9add3746f65f"},
        {Kind::kFloat64, "9007199254740993", "4340000000000000"},
        {Kind::kFloat64, "179769313486231580793e289", "out_of_range a"},
        {Kind::kFloat64, "1.", "bad_json a"},
        {Kind::kFloat64, ".5", "bad_json a"},
        {Kind::kFloat64, "1e", "bad_json a"},
        {Kind::kFloat64, "1e+", "bad_json a"},
        {Kind::kFloat64, "1E+2", "4059000000000000"},
        {Kind::kFloat64, "0x1p3", "bad_json a"},
        {Kind::kFloat64, "NaN", "bad_json a"},
        {Kind::kFloat64, "nan", "bad_json a"},
        {Kind::kFloat64, "Infinity", "bad_json a"},
        {Kind::kFloat64, "-Infinity", "bad_json a"},
    }));
    CAPTURE(value);
    REQUIRE(read_as({kind, {}}, value) == expected);
    REQUIRE(read_as({kind, {}}, "null") == "null");
}

TEST_CASE("JsonDecoder reads text with its escapes and bytes as base64", "[format][json_decoder]") {
    const auto [kind, value, expected] = GENERATE(table<Kind, std::string, std::string>({
        {Kind::kString, "\"\"", "''"},
        {Kind::kString, "\"abc\"", "'616263'"},
        {Kind::kString, "\"a,b\"", "'612c62'"},
        {Kind::kString, "\"0123456789abcdefX\"",
         "'303132333435363738396162636465665"
         "8'"},
        {Kind::kString, "\"a\\nb\"", "'610a62'"},
        {Kind::kString, "\"\\\"\\\\\\/\"", "'225c2f'"},
        {Kind::kString, "\"\\u00e9\"", "'c3a9'"},
        {Kind::kString, "\"\xc3\xa9\"", "'c3a9'"},
        {Kind::kString, "\"\\ud83d\\ude00\"", "'f09f9880'"},
        {Kind::kString, "\"\\ud83d\"", "bad_json a"},
        {Kind::kString, "\"\\ude00\"", "bad_json a"},
        {Kind::kString, "\"\\x\"", "bad_json a"},
        {Kind::kString, "\"\xff\"", "bad_utf8"},
        {Kind::kString, "\"\xc3\"", "bad_utf8"},
        {Kind::kString, "\"a\tb\"", "bad_json"},
        {Kind::kString, "\"a", "bad_json"},
        {Kind::kString, "5", "wrong_type a"},
        {Kind::kString, "\"\\u0000\"", "'00'"},
        {Kind::kBytes, "\"AP8=\"", "'00ff'"},
        {Kind::kBytes, "\"\"", "''"},
        {Kind::kBytes, "\"AP8\"", "wrong_type a"},
        {Kind::kBytes, "\"AP9=\"", "wrong_type a"},
        {Kind::kBytes, "\"!!!!\"", "wrong_type a"},
        {Kind::kBytes, "7", "wrong_type a"},
    }));
    CAPTURE(value);
    REQUIRE(read_as({kind, {}}, value) == expected);
    REQUIRE(read_as({kind, {}}, "null") == "null");
}

TEST_CASE("JsonDecoder reads lists of one type", "[format][json_decoder]") {
    const auto [element, value, expected] = GENERATE(table<Kind, std::string, std::string>({
        {Kind::kInt32, "[]", "[]"},
        {Kind::kInt32, "[ ]", "[]"},
        {Kind::kInt32, "[1,2,-3]", "[1 2 -3 ]"},
        {Kind::kInt32, "[ 1 , 2 ]", "[1 2 ]"},
        {Kind::kInt32, "[1,2147483648]", "out_of_range a"},
        {Kind::kInt32, "[1,null]", "wrong_type a"},
        {Kind::kInt32, "[1,\"2\"]", "wrong_type a"},
        {Kind::kInt32, "[1,[2]]", "wrong_type a"},
        {Kind::kInt32, "[1,2,]", "bad_json a"},
        {Kind::kInt32, "[,1]", "bad_json a"},
        {Kind::kInt32, "[1 2]", "bad_json a"},
        {Kind::kInt32, "[1", "bad_json a"},
        {Kind::kInt32, "1", "wrong_type a"},
        {Kind::kInt32, "\"1\"", "wrong_type a"},
        {Kind::kInt32, "{}", "wrong_type a"},
        {Kind::kInt64, "[9007199254740993]", "[9007199254740993 ]"},
        {Kind::kTimestampMs, "[1700000000000]", "[1700000000000 ]"},
        {Kind::kBool, "[true,false,true]", "[true false true ]"},
        {Kind::kBool, "[true,0]", "wrong_type a"},
        {Kind::kFloat32, "[0.5]", "[3f000000 ]"},
        {Kind::kFloat64, "[0.1,1]", "[3fb999999999999a 3ff0000000000000 ]"},
        {Kind::kString, "[\"a\",\"\",\"b,]c\"]", "['61' '' '622c5d63' ]"},
        {Kind::kString, "[\"\\u0041\"]", "['41' ]"},
        {Kind::kString, "[\"a\" \"b\"]", "bad_json a"},
        {Kind::kBytes, "[\"AP8=\"]", "['00ff' ]"},
        {Kind::kBytes, "[\"AP8\"]", "wrong_type a"},
    }));
    CAPTURE(value);
    REQUIRE(read_as({Kind::kList, element}, value) == expected);
}

TEST_CASE("JsonDecoder refuses what is no object", "[format][json_decoder]") {
    const auto [record, expected] = GENERATE(table<std::string, std::string>({
        {"", "bad: empty_record"},
        {" ", "bad: bad_json"},
        {"[]", "bad: bad_json"},
        {"5", "bad: bad_json"},
        {"null", "bad: bad_json"},
        {"\"a\"", "bad: bad_json"},
        {"{", "bad: bad_json"},
        {"}", "bad: bad_json"},
        {"{\"a\":1", "bad: bad_json"},
        {"{\"a\":1}}", "bad: bad_json"},
        {"{\"a\":1} x", "bad: bad_json"},
        {"{\"a\":1}{\"a\":2}", "bad: bad_json"},
        {"{\"a\":1,}", "bad: bad_json"},
        {"{,\"a\":1}", "bad: bad_json"},
        {"{\"a\" 1}", "bad: bad_json"},
        {"{\"a\":}", "bad: bad_json a"},
        {"{a:1}", "bad: bad_json"},
        {"{'a':1}", "bad: bad_json"},
        {"{\"a\":1 \"b\":2}", "bad: bad_json"},
        {"\xef\xbb\xbf{\"a\":1}", "bad: bad_json"},
        {"{}", "null"},
        {" { \"a\" : 1 } \r\n", "1"},
        {"{\"\\u0061\":1}", "1"},
        {"{\"a\":1,\"a\":1}", "bad: duplicate_field a"},
        {"{\"a\":null,\"a\":1}", "bad: duplicate_field a"},
        {"{\"b\":1,\"b\":[2],\"a\":3}", "3"},
    }));
    CAPTURE(record);
    SlotWorld world;
    const auto decoder = decoder_of({{"a", {Kind::kInt32, {}}}});
    REQUIRE(test::decode_one(*decoder, world, record) == expected);
}

TEST_CASE("JsonDecoder finds a column by what its key says, not by how it is written",
          "[format][json_decoder]") {
    SlotWorld world;
    const auto decoder = decoder_of({{"a\\n", {Kind::kInt32, {}}},
                                     {"a\n", {Kind::kInt32, {}}},
                                     {"seven77", {Kind::kInt32, {}}},
                                     {"eight888", {Kind::kInt32, {}}},
                                     {"eight888and_more", {Kind::kInt32, {}}}});
    REQUIRE(test::decode_one(*decoder, world,
                             R"({"a\n":1,"a\\n":2,"seven77":4,"eight888":5,)"
                             R"("eight888and_more":6,"eight888and_less":7,"seven7":8})") ==
            "2 1 4 5 6");
}

TEST_CASE("JsonDecoder checks the fields that nobody wants, too", "[format][json_decoder]") {
    const auto [value, expected] = GENERATE(table<std::string, std::string>({
        {"1e999", "1"},
        {"123456789012345678901234567890", "1"},
        {"[1,{\"x\":[true,null,\"\\n\"]}]", "1"},
        {"{}", "1"},
        {"01", "bad: bad_json"},
        {"tru", "bad: bad_json"},
        {"[1,]", "bad: bad_json"},
        {"[1,{\"x\"}]", "bad: bad_json"},
        {"\"\\q\"", "bad: bad_json"},
        {"{\"x\":nul}", "bad: bad_json"},
    }));
    CAPTURE(value);
    SlotWorld world;
    const auto decoder = decoder_of({{"a", {Kind::kInt32, {}}}});
    REQUIRE(test::decode_one(*decoder, world, R"({"b":)" + value + R"(,"a":1})") == expected);
}

TEST_CASE("JsonDecoder limits how deep values nest", "[format][json_decoder]") {
    SlotWorld world;
    const auto decoder = decoder_of({{"a", {Kind::kInt32, {}}}});
    const auto nested = [](std::size_t depth) {
        return R"({"a":1,"b":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
    };
    REQUIRE(test::decode_one(*decoder, world, nested(JsonDecoder::kDepthMax)) == "1");
    REQUIRE(test::decode_one(*decoder, world, nested(JsonDecoder::kDepthMax + 1)) ==
            "bad: bad_json");
    REQUIRE(test::decode_one(*decoder, world, nested(100'000)) == "bad: bad_json");
}

TEST_CASE("JsonDecoder tells a missing record from an empty one", "[format][json_decoder]") {
    SlotWorld world;
    const auto decoder = decoder_of({{"a", {Kind::kInt32, {}}}});
    data::BatchBuilder builder(decoder->schema(), world.batches());
    REQUIRE(builder.begin());
    test::BadList bad;
    const RawRecord records[] = {{{}, {}, {0, 5, 0}}, {"", {}, {0, 6, 0}}};
    REQUIRE(*decoder->decode(records, builder, bad) == 2);
    REQUIRE(bad.texts == std::vector<std::string>{"5: null_record", "6: empty_record"});
}

TEST_CASE("JsonDecoder applies the rules for required fields and labels",
          "[format][json_decoder]") {
    SlotWorld world;
    const auto decoder =
        decoder_of({{"ts", {Kind::kTimestampMs, {}}}, {"label", {Kind::kFloat32, {}}}},
                   {.required = {"ts"}, .labels = {{.column = "label"}}});
    const auto decoded = test::decode_all(
        *decoder, world,
        {R"({"ts":1,"label":0})", R"({"ts":2,"label":1})", R"({"ts":3,"label":1.0})",
         R"({"ts":4,"label":2})", R"({"ts":5,"label":null})", R"({"ts":null,"label":1})",
         R"({"label":1})", R"({"ts":8})", R"({"ts":9,"label":0.5})", R"({"ts":10,"label":0})"});
    REQUIRE(decoded.rows == test::RowTexts{"@0/0/0 1 00000000", "@0/1/0 2 3f800000",
                                           "@0/2/0 3 3f800000", "@0/9/0 10 00000000"});
    REQUIRE(decoded.bad == std::vector<std::string>{"3: bad_label label", "4: null_label label",
                                                    "5: null_field ts", "6: null_field ts",
                                                    "7: null_label label", "8: bad_label label"});
    REQUIRE(decoder->counts().predicted == 2);
}

TEST_CASE("JsonDecoder refuses rules and schemas that do not fit", "[format][json_decoder]") {
    const auto make = [](data::Type type, const DecodeRules& rules) {
        return JsonDecoder::make(*Schema::make({{"a", type}}), rules).error().message;
    };
    REQUIRE(make({Kind::kInt32, {}}, {.required = {"b"}}) ==
            "the schema has no field `b`: a: int32");
    REQUIRE(make({Kind::kString, {}}, {.labels = {{.column = "a"}}}) ==
            "the label `a` must be bool or a number, not string");
    REQUIRE(make({Kind::kFeatures, {}}, {}) == "format `json` cannot hold features: field `a`");
}

TEST_CASE("JsonDecoder stops at a full batch and goes on with the next", "[format][json_decoder]") {
    SlotWorld world;
    const auto decoder = decoder_of({{"a", {Kind::kInt64, {}}}});
    std::vector<std::string> records;
    std::vector<RawRecord> raw;
    for (int i = 0; i < 3000; ++i) records.push_back(R"({"a":)" + std::to_string(i) + "}");
    for (const std::string& record : records) raw.push_back({record, {}, {}});
    data::BatchBuilder builder(decoder->schema(), world.batches());
    test::BadList bad;
    REQUIRE(builder.begin());
    REQUIRE(*decoder->decode(raw, builder, bad) == data::kRowsMax);
    const data::BatchPtr batch = builder.finish();
    REQUIRE(batch->column(0).as<std::int64_t>()[1023] == 1023);
    REQUIRE(batch->column(0).validity == nullptr);
    REQUIRE(test::decode_all(*decoder, world, records).rows.size() == 3000);
    REQUIRE(decoder->counts().general == 2);
}

TEST_CASE("JsonDecoder gives back what it has when the slot has no room for more",
          "[format][json_decoder]") {
    SlotWorld world(std::size_t{1} << 20);
    const auto decoder = decoder_of({{"a", {Kind::kString, {}}}});
    const std::string small = R"({"a":"x"})";
    const std::string large = R"({"a":")" + std::string(2'000'000, 'y') + R"("})";
    const RawRecord records[] = {{small, {}, {}}, {large, {}, {}}, {small, {}, {}}};
    data::BatchBuilder builder(decoder->schema(), world.batches());
    test::BadList bad;
    REQUIRE(builder.begin());
    REQUIRE(*decoder->decode(records, builder, bad) == 1);
    REQUIRE(builder.rows() == 1);
    REQUIRE(decoder->decode(std::span(records).subspan(1), builder, bad).error().code ==
            Code::kResourceExhausted);
    REQUIRE(*decoder->decode(std::span(records).subspan(2), builder, bad) == 1);
    REQUIRE(builder.finish()->rows() == 2);
    REQUIRE(bad.texts.empty());
}

TEST_CASE("JsonDecoder allocates nothing on the heap in the long run", "[format][json_decoder]") {
    SlotWorld world;
    const auto decoder = decoder_of({{"id", {Kind::kString, {}}}, {"n", {Kind::kInt32, {}}}});
    const std::string same = R"({"id":"i00000000","n":5})";
    const std::string other = R"({"n":5,"more":[1,{"x":"\n"}],"id":"\u0041"})";
    std::vector<RawRecord> raw(1000, RawRecord{same, {}, {}});
    for (std::size_t i = 0; i < raw.size(); i += 3) raw[i].payload = other;
    data::BatchBuilder builder(decoder->schema(), world.batches());
    test::BadList bad;
    const auto decode = [&] {
        MILLRACE_CHECK(builder.begin().has_value());
        MILLRACE_CHECK(*decoder->decode(raw, builder, bad) == raw.size());
        builder.finish();
    };
    decode();
    const std::uint64_t before = test::heap_allocations();
    decode();
    REQUIRE(test::heap_allocations() - before <= 10);
}

}  // namespace
}  // namespace millrace::operators
