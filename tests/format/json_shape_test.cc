#include "operators/format/json_shape.h"

#include <bit>
#include <charconv>
#include <string>

#include <catch2/catch.hpp>

#include "operators/format/comma_scan.h"
#include "operators/format/json_decoder.h"
#include "operators/format/json_number.h"
#include "operators/format/padded_record.h"
#include "tests/format/decoding.h"

namespace millrace::operators {
namespace {

using data::Kind;
using data::Schema;
using data::SchemaPtr;
using test::SlotWorld;

// Makes records of one producer: fixed keys and white space, values of all sorts.
class Producer {
  public:
    explicit Producer(std::uint64_t seed)
        : random_(seed), schema_(test::random_schema(random_, 9)) {
        space_ = pick({"", " ", ""});
        for (const data::Field& field : schema_->fields()) {
            if (random_.below(10) > 0) order_.push_back(field);
        }
        for (std::uint64_t n = random_.below(3); n > 0; --n) {
            order_.push_back({"unknown" + std::to_string(n),
                              {static_cast<Kind>(random_.below(9)), Kind::kInt32}});
        }
        for (std::size_t i = order_.size(); i > 1; --i) {
            std::swap(order_[i - 1], order_[random_.below(i)]);
        }
    }

    [[nodiscard]] const SchemaPtr& schema() const { return schema_; }

    std::string next() {
        if (random_.below(30) == 0 && order_.size() > 1) {
            std::swap(order_[0], order_[random_.below(order_.size())]);
        }
        std::string record = "{";
        for (const data::Field& field : order_) {
            record += (record.size() > 1 ? "," + space_ : "") + "\"" + field.name + "\":" + space_ +
                      value(field.type);
        }
        record += "}";
        return random_.below(8) == 0 ? damaged(std::move(record)) : record;
    }

  private:
    std::string pick(std::initializer_list<const char*> choices) {
        return choices.begin()[random_.below(choices.size())];
    }
    std::string value(data::Type type) {
        if (random_.below(15) == 0) return pick({"null", "nul", "\"x\"", "7", "[1]", "{}", "true"});
        if (type.kind != Kind::kList) return scalar(type.kind);
        std::string list = "[";
        for (std::uint64_t n = random_.below(4); n > 0; --n) {
            list += scalar(type.element) + (n > 1 ? "," + space_ : "");
        }
        return list + "]";
    }
    std::string scalar(Kind kind) {
        switch (kind) {
            case Kind::kBool:
                return pick({"true", "false"});
            case Kind::kString:
                return pick({R"("")", R"("abc")", R"("a,b")", R"("a]b[")", R"("\u0041\n")",
                             R"("0123456789abcdef0123456789")", "\"\xc3\xa9\"", "\"\xc3\"",
                             "\"\xf0\x9f\x98\x80 and more text than one block\"", R"("{},:")"});
            case Kind::kBytes:
                return pick({R"("")", R"("AP8=")", R"("YWJj")", R"("A")"});
            case Kind::kFloat32:
            case Kind::kFloat64:
                return pick({"0", "0.5", "-1.25e3", "0.0913", "12345.6789", "1e400", "01.5", "3.",
                             "123456789012345678901234567890", "4.9e-324"});
            default:
                return pick({"0", "7", "12345678", "123456789", "-5", "1700000000000", "00", "1.5",
                             "1234567890123456", "12345678901234567", "9223372036854775808",
                             "1e2"});
        }
    }
    std::string damaged(std::string record) {
        const std::size_t at = random_.below(record.size());
        switch (random_.below(4)) {
            case 0:
                record[at] = pick({",", "\"", "\\", "{", "}", "[", "]", ":", " ", "0", "x"})[0];
                break;
            case 1:
                record.erase(at, 1);
                break;
            case 2:
                record.insert(at, pick({",", "\"", "\\", " ", "}", "1", "\xff", "\n"}));
                break;
            default:
                record.resize(at);
        }
        return record;
    }

    Random random_;
    SchemaPtr schema_;
    std::vector<data::Field> order_;
    std::string space_;
};

TEST_CASE("Predicting shapes gives exactly what the general parser gives", "[format][json_shape]") {
    SlotWorld world;
    std::uint64_t predicted = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        CAPTURE(seed);
        Producer producer(seed);
        std::vector<std::string> records;
        for (int i = 0; i < 100; ++i) records.push_back(producer.next());
        const auto general =
            *JsonDecoder::make(producer.schema(), {}, JsonDecoder::Shapes::kIgnore);
        const auto predicting = *JsonDecoder::make(producer.schema(), {});
        REQUIRE(test::decode_all(*predicting, world, records) ==
                test::decode_all(*general, world, records));
        predicted += predicting->counts().predicted;
    }
    // Most records are odd in some way; still, many have a shape that was seen before.
    REQUIRE(predicted > 4000);
}

// What a decoder of {n: int32, t: string, l: list<int32>} predicts after two records like `first`.
std::uint64_t predicted_after(const std::string& first, const std::string& record) {
    SlotWorld world;
    const SchemaPtr schema = *Schema::make({{"n", {Kind::kInt32, {}}},
                                            {"t", {Kind::kString, {}}},
                                            {"l", {Kind::kList, Kind::kInt32}}});
    const auto decoder = *JsonDecoder::make(schema, {});
    const auto general = *JsonDecoder::make(schema, {}, JsonDecoder::Shapes::kIgnore);
    const std::vector<std::string> records = {first, first, record};
    REQUIRE(test::decode_all(*decoder, world, records) ==
            test::decode_all(*general, world, records));
    return decoder->counts().predicted;
}

TEST_CASE("JsonShape reads records of the shape it knows", "[format][json_shape]") {
    REQUIRE(predicted_after(R"({"n":1,"t":"a"})", R"({"n":20,"t":"bcd"})") == 1);
    REQUIRE(predicted_after(R"({"n": 1, "t": "a"})", R"({"n": 20, "t": "bcd"})") == 1);
    REQUIRE(predicted_after(R"({"n":1,"t":"a"})", R"({"n":-20,"t":null})") == 1);
    REQUIRE(predicted_after(R"({"t":"a","l":[1]})", R"({"t":"a,b","l":[1,2,3]})") == 1);
    REQUIRE(predicted_after(R"({"t":"a","x":[1]})", R"({"t":"b","x":["c",2,null]})") == 1);
    REQUIRE(predicted_after("{\"t\":\"a\"}\r\n", "{\"t\":\"\xc3\xa9\"}\r\n") == 1);
    REQUIRE(predicted_after(R"({"a_key_longer_than_sixteen_bytes":1,"n":1})",
                            R"({"a_key_longer_than_sixteen_bytes":2,"n":2})") == 1);
}

TEST_CASE("JsonShape leaves every irregular record to the general parser", "[format][json_shape]") {
    const std::string record =
        GENERATE(R"({"n":1,"t":"a\n"})", R"({"n":1,"t":"a"} )",
                 R"({"n":1,"t":"a"})"
                 "x",
                 R"({"t":"a","n":1})", R"({"n":1,"t":"a","n":2})", R"({"n":1, "t":"a"})",
                 R"({"n":1})", R"({"n":01,"t":"a"})", R"({"n":1,"t":5})",
                 R"({"n":1,"t":"a)"
                 "\x01"
                 R"("})",
                 R"({"n":1,"T":"a"})");
    CAPTURE(record);
    REQUIRE(predicted_after(R"({"n":1,"t":"a"})", record) == 0);
}

TEST_CASE("JsonDecoder keeps some shapes and learns a changed one anew", "[format][json_shape]") {
    SlotWorld world;
    const SchemaPtr schema = *Schema::make({{"a", {Kind::kInt32, {}}}, {"b", {Kind::kInt32, {}}}});
    const auto decoder = *JsonDecoder::make(schema, {});
    const std::string both = R"({"a":1,"b":2})";
    const std::string one = R"({"a":1})";
    std::vector<std::string> records = {both, both, one, one};
    for (int i = 0; i < 10; ++i) {
        records.push_back(i % 2 == 0 ? both : one);
    }
    test::decode_all(*decoder, world, records);
    REQUIRE(decoder->counts().learned == 2);
    REQUIRE(decoder->counts().predicted == 10);
    // The same keys with other white space: refused for a while, then learned.
    test::decode_all(*decoder, world, std::vector<std::string>(200, R"({"a": 1, "b": 2})"));
    REQUIRE(decoder->counts().learned == 3);
    REQUIRE(decoder->counts().predicted == 10 + 200 - 64);
}

TEST_CASE("JsonDecoder keeps at most its limit of shapes", "[format][json_shape]") {
    SlotWorld world;
    std::vector<data::Field> fields;
    std::vector<std::string> shapes;
    for (std::size_t i = 0; i <= JsonDecoder::kShapesMax; ++i) {
        fields.push_back({"f" + std::to_string(i), {Kind::kInt32, {}}});
        shapes.push_back("{\"f" + std::to_string(i) + "\":1}");
    }
    const auto decoder = *JsonDecoder::make(*Schema::make(std::move(fields)), {});
    std::vector<std::string> records;
    for (const std::string& shape : shapes) records.insert(records.end(), 2, shape);
    test::decode_all(*decoder, world, records);
    REQUIRE(decoder->counts().learned == JsonDecoder::kShapesMax + 1);
    // The oldest shape is forgotten, the others are not.
    test::decode_all(*decoder, world, {shapes[1], shapes[4], shapes[0]});
    REQUIRE(decoder->counts().predicted == 2);
}

TEST_CASE("Commas are found where they are, by every way of looking", "[format][comma_scan]") {
    Random random(5);
    for (int round = 0; round < 3000; ++round) {
        std::string record(1 + random.below(300), 'x');
        for (char& c : record) {
            const char choices[] = ",,\"[]{}xxx\xac\\";
            if (random.below(3) == 0) c = choices[random.below(sizeof choices - 2)];
        }
        CAPTURE(record);
        std::vector<std::uint32_t> all;
        std::vector<std::uint32_t> outer;
        bool in_string = false;
        bool in_list = false;
        for (std::uint32_t i = 0; i < record.size(); ++i) {
            const char c = record[i];
            if (c == '"') in_string = !in_string;
            if ((c == '[' || c == ']') && !in_string) in_list = !in_list;
            if (c == ',') {
                all.push_back(i);
                if (!in_string && !in_list) outer.push_back(i);
            }
        }
        std::vector<std::uint32_t> found(400 + kScanSlack);
        PaddedRecord padded;
        const std::string_view bytes = padded.of(record);
        REQUIRE(find_commas(bytes.data(), bytes.size(), 400, found.data()) == all.size());
        REQUIRE(std::equal(all.begin(), all.end(), found.begin()));
        const std::size_t count = find_outer_commas(bytes.data(), bytes.size(), 400, found.data());
        REQUIRE(count == outer.size());
        REQUIRE(std::equal(outer.begin(), outer.end(), found.begin()));
        // The limit bounds what is written.
        const std::size_t limit = random.below(8);
        found.assign(limit + kScanSlack + 1, 7);
        const std::size_t limited = find_commas(bytes.data(), bytes.size(), limit, found.data());
        REQUIRE((limited == all.size() || limited > limit));
        REQUIRE(found.back() == 7);
    }
    const std::string escaped = R"({"a":"\"",)";
    std::uint32_t found[100];
    PaddedRecord padded;
    const std::string_view bytes = padded.of(escaped);
    REQUIRE(find_outer_commas(bytes.data(), bytes.size(), 10, found) == kScanFailed);
}

// from_chars is the independent reader; the grammar is JSON's.
TEST_CASE("Numbers are read as the standard library reads them", "[format][json_number]") {
    Random random(9);
    for (int round = 0; round < 200'000; ++round) {
        std::string text;
        for (std::uint64_t n = 1 + random.below(24); n > 0; --n) {
            text += "0123456789012345678901234567890123456789.-+eE"[random.below(45)];
        }
        text.resize(text.size() + 8);
        const char* const end = text.data() + text.size() - 8;
        CAPTURE(text);
        double value = 0;
        const Number number = parse_float64(text.data(), end, value);
        double expected = 0;
        const auto read = std::from_chars(text.data(), end, expected);
        if (number == Number::kFits && read.ec == std::errc()) {
            REQUIRE(read.ptr == end);
            REQUIRE(std::bit_cast<std::uint64_t>(value) == std::bit_cast<std::uint64_t>(expected));
        }
        std::int64_t integer = 0;
        std::int64_t expected_integer = 0;
        const Number as_integer = parse_int64(text.data(), end, integer);
        const auto read_integer = std::from_chars(text.data(), end, expected_integer);
        if (as_integer == Number::kFits) {
            REQUIRE(read_integer.ptr == end);
            REQUIRE(integer == expected_integer);
        } else if (as_integer == Number::kOutOfRange) {
            REQUIRE(read_integer.ec == std::errc::result_out_of_range);
        }
    }
}

}  // namespace
}  // namespace millrace::operators
