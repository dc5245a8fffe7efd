// Any lines as JSON records: predicting shapes gives the same rows and the same bad records as the
// general parser, and what was read is read again from what the encoder writes of it.

#include <cstdint>
#include <string>
#include <vector>

#include "operators/format/json_decoder.h"
#include "operators/format/json_encoder.h"
#include "tests/format/decoding.h"

namespace {

using namespace millrace;

data::SchemaPtr some_columns() {
    using data::Kind;
    return *data::Schema::make({{"b", {Kind::kBool, {}}},
                                {"i", {Kind::kInt32, {}}},
                                {"n", {Kind::kInt64, {}}},
                                {"f", {Kind::kFloat32, {}}},
                                {"d", {Kind::kFloat64, {}}},
                                {"t", {Kind::kString, {}}},
                                {"y", {Kind::kBytes, {}}},
                                {"ts", {Kind::kTimestampMs, {}}},
                                {"li", {Kind::kList, Kind::kInt32}},
                                {"lt", {Kind::kList, Kind::kString}},
                                {"a_name_of_more_than_sixteen_bytes", {Kind::kInt32, {}}}});
}

// Every line three times, so that its shape is learned and used.
std::vector<std::string> records_of(const std::string& text) {
    std::vector<std::string> records;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        records.insert(records.end(), 3, text.substr(begin, end - begin));
        begin = end + 1;
    }
    return records;
}

void check_written(const std::vector<std::string>& records, operators::JsonDecoder& decoder,
                   test::SlotWorld& world) {
    data::BatchBuilder builder(decoder.schema(), world.batches());
    test::BadList bad;
    MILLRACE_CHECK(builder.begin().has_value());
    for (const std::string& record : records) {
        const operators::RawRecord raw{record, {}, {}};
        MILLRACE_CHECK(decoder.decode({&raw, 1}, builder, bad).has_value());
        if (builder.is_full()) break;
    }
    if (builder.rows() == 0) {
        return;
    }
    const data::BatchPtr batch = builder.finish();
    const auto encoder = *operators::JsonEncoder::make(decoder.schema());
    std::vector<char> room(16 * batch->bytes() + batch->rows() * 512 + 4096);
    std::vector<std::uint32_t> ends(batch->rows());
    MILLRACE_CHECK_EQ(encoder->encode(*batch, 0, room, ends), batch->rows());
    std::vector<operators::RawRecord> written;
    for (std::size_t i = 0; i < ends.size(); ++i) {
        const std::size_t begin = i == 0 ? 0 : ends[i - 1];
        written.push_back({{room.data() + begin, ends[i] - begin}, {}, {}});
    }
    data::BatchBuilder again(decoder.schema(), world.batches());
    MILLRACE_CHECK(again.begin().has_value());
    MILLRACE_CHECK(decoder.decode(written, again, bad).has_value());
    MILLRACE_CHECK_EQ(again.rows(), batch->rows());
    MILLRACE_CHECK(test::text_of(*again.finish()) == test::text_of(*batch));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static test::SlotWorld world;
    const auto records = records_of({reinterpret_cast<const char*>(data), size});
    const data::SchemaPtr schema = some_columns();
    using operators::JsonDecoder;
    const auto general = *JsonDecoder::make(schema, {}, JsonDecoder::Shapes::kIgnore);
    const auto predicting = *JsonDecoder::make(schema, {});
    MILLRACE_CHECK(test::decode_all(*general, world, records) ==
                   test::decode_all(*predicting, world, records));
    check_written(records, *predicting, world);
    return 0;
}
