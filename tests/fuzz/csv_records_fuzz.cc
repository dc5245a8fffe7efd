// Any lines as CSV and TSV, the first line also as a header: every line becomes a row or a bad
// record.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "operators/format/csv_decoder.h"
#include "tests/format/decoding.h"

namespace {

using namespace millrace;
using operators::CsvDecoder;

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        lines.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using data::Kind;
    static test::SlotWorld world;
    const auto lines = lines_of({reinterpret_cast<const char*>(data), size});
    const auto schema = *data::Schema::make({{"t", {Kind::kString, {}}},
                                             {"i", {Kind::kInt32, {}}},
                                             {"d", {Kind::kFloat64, {}}},
                                             {"b", {Kind::kBool, {}}}});
    for (const auto dialect : {CsvDecoder::Dialect::kCsv, CsvDecoder::Dialect::kTsv}) {
        for (const bool has_header : {false, true}) {
            const auto header =
                has_header ? std::optional<std::string_view>(lines[0]) : std::nullopt;
            const auto decoder = CsvDecoder::make(schema, {}, dialect, header);
            if (!decoder) continue;
            const auto decoded = test::decode_all(**decoder, world, lines);
            MILLRACE_CHECK_EQ(decoded.rows.size() + decoded.bad.size(), lines.size());
        }
    }
    return 0;
}
