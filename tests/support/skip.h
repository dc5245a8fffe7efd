// Ends a test case whose tool is not on this machine.
//
// Every CTest test runs one case in a process of its own, and exit code 77 tells CTest that the
// case was skipped. The reason goes to the report at the end of ./tests/run.
//
// Threads:    any; ends the process.
// Failure:    none.

#pragma once

#include <string>
#include <string_view>

namespace millrace::support {

// Prints "Skipped: `reason`" and ends the process with exit code 77, without running destructors:
// call it before the case starts processes or makes files.
[[noreturn]] void skip(std::string_view reason);

// The value of the environment variable `name`; skips the case with `reason` when it is not set.
std::string environment_or_skip(const char* name, std::string_view reason);

}  // namespace millrace::support
