// How a source's bytes become rows: what its `format`, `schema` and rules in the job file say.
//
// Threads:    immutable.
// Ownership:  a value; it does not refer to the job.
// Failure:    kInvalidArgument naming the source and what does not fit.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "operators/format/decode_rules.h"
#include "operators/format/record_decoder.h"
#include "runtime/base/status.h"
#include "runtime/data/schema.h"

namespace millrace::proto {
class Job;
class Source;
}  // namespace millrace::proto

namespace millrace::operators {

class SourceFormat {
  public:
    static Result<SourceFormat> of(const proto::Job& job, const proto::Source& source);

    // `header`: the line that names the fields, for CSV and TSV only.
    Result<std::unique_ptr<RecordDecoder>> make_decoder(
        std::optional<std::string_view> header) const;

  private:
    enum class Kind : std::uint8_t { kJson, kCsv, kTsv };

    SourceFormat() = default;

    Kind kind_ = Kind::kJson;
    std::string source_;
    data::SchemaPtr schema_;
    DecodeRules rules_;
};

}  // namespace millrace::operators
