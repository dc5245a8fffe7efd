// Reads one written value into a field: numbers, words, units, forms of text, with their ranges.
// Private to this folder.
//
// Threads:    any.
// Failure:    ValueFault: the code, the whole sentence, and what to write instead. A value that
//             cannot be read is not range-checked.

#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "runtime/jobfile/key_table.h"

namespace millrace::jobfile {

struct ValueFault {
    std::string_view code;
    std::string message = {};
    std::string fix = {};
};

using ValueStatus = std::expected<void, ValueFault>;

// Sets the field, or appends to it if it is repeated. `path` names the value in messages.
[[nodiscard]] ValueStatus read_value(std::string_view text, Message& section,
                                     const FieldDescriptor& field, std::string_view path);

// Fills a message that is written as one scalar (1s..60s, list<string>).
// REQUIRES: section_of(descriptor).written_as() is not WRITTEN_AS_MAPPING.
[[nodiscard]] ValueStatus read_written_as(std::string_view text, Message& section,
                                          std::string_view path);

// Checks the form of a name or address (E018).
[[nodiscard]] ValueStatus check_form(std::string_view text, proto::TextForm form,
                                     std::string_view path);

}  // namespace millrace::jobfile
