// The general JSON parser: reads any record, strictly, and says what is wrong with a bad one.
//
// Strict means RFC 8259 with UTF-8, also in the fields that no column wants: they are read and
// forgotten. Numbers are read by json_number.h, the structure and the strings by simdjson.
//
// Threads:    one.
// Ownership:  owns its parser; views in a DecodeError live until the next call.
// Limits:     JsonDecoder::kDepthMax. The parser's memory grows to about six times the longest
//             record.
// Failure:    kResourceExhausted from the builder.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "operators/format/decode_rules.h"
#include "runtime/base/status.h"
#include "runtime/data/batch_builder.h"

namespace millrace::operators {

class JsonGeneral {
  public:
    // Bytes behind a record that must be readable.
    static constexpr std::size_t kPadding = 64;

    // `rules` must outlive it.
    JsonGeneral(data::SchemaPtr schema, const CompiledRules& rules);
    ~JsonGeneral();

    // Writes the record's fields to the builder's open row. False, with `error`, when it is bad;
    // the row then wants undo_row(), as it does after a failure.
    Result<bool> parse(std::string_view record, data::BatchBuilder& builder, DecodeError& error);

    // Says which fields the last good record had, in which order: equal for records of one shape.
    [[nodiscard]] std::uint64_t shape_hash() const;

  private:
    class Parser;  // Keeps simdjson out of this header.

    std::unique_ptr<Parser> parser_;
};

}  // namespace millrace::operators
