// Which exit code a failure ends a verb with: the same for all verbs, whoever noticed it.
//
// Threads:    any.
// Failure:    none; a standard error that cannot be written is ignored.

#pragma once

#include <string_view>

#include "runtime/base/status.h"
#include "runtime/cli/command_line.h"

namespace millrace::cli {

[[nodiscard]] ExitCode exit_code_of(Code code);
// Of a server's refusal: its HTTP status, and the name of the code in its problem document (empty
// when it named none).
[[nodiscard]] ExitCode exit_code_of(int http_status, std::string_view code);

// Prints the reason on standard error and gives the exit code that fits.
[[nodiscard]] ExitCode exit_with(const Error& error);

}  // namespace millrace::cli
