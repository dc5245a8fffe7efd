#include "tests/support/skip.h"

#include <cstdio>
#include <cstdlib>

#include <fmt/core.h>
#include <unistd.h>

namespace millrace::support {

namespace {

constexpr int kSkipExitCode = 77;  // SKIP_RETURN_CODE of millrace_test() in CMakeLists.txt.

}  // namespace

void skip(std::string_view reason) {
    fmt::print("Skipped: {}\n", reason);
    std::fflush(stdout);
    _exit(kSkipExitCode);
}

std::string environment_or_skip(const char* name, std::string_view reason) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') {
        skip(reason);
    }
    return value;
}

}  // namespace millrace::support
