// The table of error codes: what `millrace explain E012` prints.
//
// A code is never used again for something else. E blocks; W does not. A test walks the table and
// the golden files beside it, so that none is without cause, example and proof.
//
// Threads:    any; the table is constant.
// Failure:    nullptr for a code that does not exist.

#pragma once

#include <span>
#include <string>
#include <string_view>

namespace millrace::jobfile {

struct ErrorCode {
    std::string_view code;
    std::string_view title;    // "unknown key"
    std::string_view cause;    // One or two sentences: when it is given, and what to do.
    std::string_view example;  // Lines that cause it.
};

// In the order of the codes.
[[nodiscard]] std::span<const ErrorCode> error_codes();

[[nodiscard]] const ErrorCode* find_error_code(std::string_view code);

// The code of the same letter whose number is closest. REQUIRES: a letter and digits.
[[nodiscard]] const ErrorCode& nearest_error_code(std::string_view code);

// Title, cause and example, as lines of text.
[[nodiscard]] std::string explain_error_code(const ErrorCode& code);

}  // namespace millrace::jobfile
