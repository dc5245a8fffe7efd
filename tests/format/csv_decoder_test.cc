#include "operators/format/csv_decoder.h"

#include <catch2/catch.hpp>

#include "tests/format/decoding.h"
#include "tests/support/heap_count.h"

namespace millrace::operators {
namespace {

using data::Kind;
using data::Schema;
using test::SlotWorld;
using Dialect = CsvDecoder::Dialect;

std::unique_ptr<CsvDecoder> decoder_of(std::vector<data::Field> fields, Dialect dialect,
                                       std::optional<std::string_view> header = std::nullopt,
                                       const DecodeRules& rules = {}) {
    return *CsvDecoder::make(*Schema::make(std::move(fields)), rules, dialect, header);
}

const std::vector<data::Field> kTextAndNumber = {{"t", {Kind::kString, {}}},
                                                 {"n", {Kind::kInt32, {}}}};

TEST_CASE("CsvDecoder reads fields and quotes as RFC 4180 says", "[format][csv_decoder]") {
    const auto [line, expected] = GENERATE(table<std::string, std::string>({
        {"abc,5", "'616263' 5"},
        {"abc,5\r", "'616263' 5"},
        {"\"abc\",5", "'616263' 5"},
        {"\"a,b\",\"5\"", "'612c62' 5"},
        {"\"a\"\"b\",5", "'612262' 5"},
        {"\"\"\"\",5", "'22' 5"},
        {",5", "null 5"},
        {"\"\",5", "null 5"},
        {"abc,", "'616263' null"},
        {" a ,5", "'206120' 5"},
        {"a\tb,5", "'610962' 5"},
        {"abc", "bad: bad_csv"},
        {"abc,5,6", "bad: bad_csv"},
        {"abc,5,", "bad: bad_csv"},
        {"\"abc,5", "bad: bad_csv"},
        {"\"abc\"x,5", "bad: bad_csv"},
        {"a\"b,5", "bad: bad_csv"},
        {"abc, 5", "bad: wrong_type n"},
        {"abc,+5", "bad: wrong_type n"},
        {"abc,5.0", "bad: wrong_type n"},
        {"abc,05", "bad: wrong_type n"},
        {"abc,2147483648", "bad: out_of_range n"},
        {"\xff,5", "bad: bad_utf8 t"},
        {"", "bad: empty_record"},
    }));
    CAPTURE(line);
    SlotWorld world;
    const auto decoder = decoder_of(kTextAndNumber, Dialect::kCsv);
    REQUIRE(test::decode_one(*decoder, world, line) == expected);
}

TEST_CASE("CsvDecoder takes quotes and commas as they are in TSV", "[format][csv_decoder]") {
    SlotWorld world;
    const auto decoder = decoder_of(kTextAndNumber, Dialect::kTsv);
    REQUIRE(test::decode_one(*decoder, world, "\"a,b\t5") == "'22612c62' 5");
    REQUIRE(test::decode_one(*decoder, world, "\t") == "null null");
    REQUIRE(test::decode_one(*decoder, world, "a,5") == "bad: bad_csv");
}

TEST_CASE("CsvDecoder reads every type that a field can hold", "[format][csv_decoder]") {
    const auto [kind, field, expected] = GENERATE(table<Kind, std::string, std::string>({
        {Kind::kBool, "true", "true"},
        {Kind::kBool, "0", "false"},
        {Kind::kBool, "yes", "bad: wrong_type a"},
        {Kind::kInt64, "-9223372036854775808", "-9223372036854775808"},
        {Kind::kTimestampMs, "1700000000000", "1700000000000"},
        {Kind::kFloat32, "0.0913", "3dbafb7f"},
        {Kind::kFloat32, "1e39", "bad: out_of_range a"},
        {Kind::kFloat64, "0.1", "3fb999999999999a"},
        {Kind::kFloat64, "nan", "bad: wrong_type a"},
        {Kind::kFloat64, "inf", "bad: wrong_type a"},
        {Kind::kFloat64, "-Infinity", "bad: wrong_type a"},
        {Kind::kFloat64, "1e999", "bad: out_of_range a"},
        {Kind::kBytes, "\xff\x01", "'ff01'"},
    }));
    CAPTURE(field);
    SlotWorld world;
    const auto decoder = decoder_of({{"a", {kind, {}}}}, Dialect::kCsv);
    REQUIRE(test::decode_one(*decoder, world, field) == expected);
}

TEST_CASE("CsvDecoder finds its fields by the header", "[format][csv_decoder]") {
    SlotWorld world;
    const auto decoder = decoder_of(kTextAndNumber, Dialect::kCsv, "x,n,\"y\"\r");
    REQUIRE(test::decode_one(*decoder, world, "ignored,7,\"also, this\"") == "null 7");
    REQUIRE(test::decode_one(*decoder, world, "1,7") == "bad: bad_csv");
}

TEST_CASE("CsvDecoder finds the first field of a header behind a byte order mark",
          "[format][csv_decoder]") {
    SlotWorld world;
    const auto decoder = decoder_of(kTextAndNumber, Dialect::kCsv, "\xef\xbb\xbfn,x");
    REQUIRE(test::decode_one(*decoder, world, "7,ignored") == "null 7");
}

TEST_CASE("CsvDecoder refuses headers and schemas that cannot be", "[format][csv_decoder]") {
    const auto refusal = [](data::Type type, std::optional<std::string_view> header) {
        return CsvDecoder::make(*Schema::make({{"a", type}}), {}, Dialect::kCsv, header)
            .error()
            .message;
    };
    REQUIRE(refusal({Kind::kList, Kind::kInt32}, std::nullopt) ==
            "formats `csv` and `tsv` cannot hold list<int32>: field `a`");
    REQUIRE(refusal({Kind::kInt32, {}}, "a,b,b") == "the header line names a field twice: `b`");
    REQUIRE(refusal({Kind::kInt32, {}}, "\"a") == "the header line has a quote in the wrong place");
    REQUIRE(refusal({Kind::kInt32, {}}, "1,2") ==
            "the header line names no field of the schema: a: int32. Hint: set `header: false` "
            "when the first line is data");
}

TEST_CASE("CsvDecoder applies the rules for required fields and labels", "[format][csv_decoder]") {
    SlotWorld world;
    const auto decoder = decoder_of(kTextAndNumber, Dialect::kCsv, std::nullopt,
                                    {.required = {"t"}, .labels = {{.column = "n"}}});
    const auto decoded = test::decode_all(*decoder, world, {"a,1", "a,2", "a,", ",1", "b,0"});
    REQUIRE(decoded.rows == test::RowTexts{"@0/0/0 '61' 1", "@0/4/0 '62' 0"});
    REQUIRE(decoded.bad ==
            std::vector<std::string>{"1: bad_label n", "2: null_label n", "3: null_field t"});
}

TEST_CASE("CsvDecoder allocates nothing on the heap in the long run", "[format][csv_decoder]") {
    SlotWorld world;
    const auto decoder = decoder_of(kTextAndNumber, Dialect::kCsv);
    const std::vector<RawRecord> raw(1000,
                                     RawRecord{"\"a long text that \"\"is quoted\",12", {}, {}});
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
