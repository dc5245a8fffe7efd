#include "operators/source_format.h"

#include <utility>

#include "operators/format/csv_decoder.h"
#include "operators/format/json_decoder.h"
#include "operators/source_schema.h"
#include "proto/job.pb.h"

namespace millrace::operators {

Result<SourceFormat> SourceFormat::of(const proto::Job& job, const proto::Source& source) {
    SourceFormat format;
    format.source_ = source.name();
    MILLRACE_TRY_ASSIGN(format.schema_, declared_schema(job, source));
    format.rules_ = decode_rules(job, source);
    switch (source.format()) {
        case proto::FORMAT_JSON:
            format.kind_ = Kind::kJson;
            break;
        case proto::FORMAT_CSV:
            format.kind_ = Kind::kCsv;
            break;
        case proto::FORMAT_TSV:
            format.kind_ = Kind::kTsv;
            break;
        default:
            return fail(Code::kInvalidArgument, "source {} has a format that cannot be read: {}",
                        source.name(), proto::Format_Name(source.format()));
    }
    if (source.header() && format.kind_ == Kind::kJson)
        return fail(Code::kInvalidArgument, "source {}: only csv and tsv have a header",
                    source.name());
    return format;
}

Result<std::unique_ptr<RecordDecoder>> SourceFormat::make_decoder(
    std::optional<std::string_view> header) const {
    const auto in_source = [&](Error error) {
        return std::unexpected(std::move(error).with_context("source " + source_));
    };
    if (kind_ == Kind::kJson) {
        auto decoder = JsonDecoder::make(schema_, rules_);
        if (!decoder) return in_source(std::move(decoder).error());
        return *std::move(decoder);
    }
    const auto dialect =
        kind_ == Kind::kCsv ? CsvDecoder::Dialect::kCsv : CsvDecoder::Dialect::kTsv;
    auto decoder = CsvDecoder::make(schema_, rules_, dialect, header);
    if (!decoder) return in_source(std::move(decoder).error());
    return *std::move(decoder);
}

}  // namespace millrace::operators
