// Decodes lines of separated values into columns: CSV with the quotes of RFC 4180, or TSV without
// any.
//
// An empty field is null (also an empty quoted one: the two cannot be told apart by other
// programs). Numbers are decimal and finite, without a plus sign or spaces; bool is true, false, 1
// or 0. Fields that the header names and the schema does not are ignored; columns that the header
// does not name are null.
//
// Threads:    one.
// Ownership:  see RecordDecoder.
// Limits:     see RecordDecoder. Lists have no form here.
// Failure:    see RecordDecoder.

#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "operators/format/decode_rules.h"
#include "operators/format/record_decoder.h"

namespace millrace::operators {

class CsvDecoder : public RecordDecoder {
  public:
    enum class Dialect : bool { kCsv, kTsv };

    // `header` is the first line of the input; without one the fields have the schema's order and
    // number. Errors: kInvalidArgument for list and features columns, a header that is not CSV or
    // names a field twice, and rules that do not fit the schema.
    static Result<std::unique_ptr<CsvDecoder>> make(data::SchemaPtr schema,
                                                    const DecodeRules& rules, Dialect dialect,
                                                    std::optional<std::string_view> header);
};

}  // namespace millrace::operators
