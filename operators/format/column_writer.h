// Writes one JSON value, given as a token, to a column of the current row.
//
// Threads:    one.
// Ownership:  borrows the builder for the call.
// Limits:     see BatchBuilder.
// Failure:    kResourceExhausted from the builder; everything else is a DecodeError.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "operators/format/decode_rules.h"
#include "runtime/base/status.h"
#include "runtime/data/batch_builder.h"

namespace millrace::operators {

// What became of a value: written, or the reason why not (code and message, without the field).
using Written = Result<std::optional<DecodeError>>;

// Writes a number, true or false, as which `token` starts. As an element when the column is a list.
Written write_scalar(data::BatchBuilder& builder, std::size_t column, data::Type type,
                     std::string_view token);
// Writes the text of a JSON string, its escapes resolved: as it is to string columns, decoded from
// base64 to bytes columns, in `scratch`.
Written write_text(data::BatchBuilder& builder, std::size_t column, data::Type type,
                   std::string_view text, std::string& scratch);

// Checks a number, true, false or null that no column wants.
[[nodiscard]] bool is_scalar(std::string_view token);
// Without the white space of JSON behind it.
[[nodiscard]] std::string_view trim_right(std::string_view token);

}  // namespace millrace::operators
