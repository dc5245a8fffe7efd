#include "runtime/cli/exit_codes.h"

#include <optional>

#include <fmt/core.h>

namespace millrace::cli {
namespace {

std::optional<Code> code_named(std::string_view name) {
    for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i) {
        if (to_string(static_cast<Code>(i)) == name) return static_cast<Code>(i);
    }
    return std::nullopt;
}

}  // namespace

ExitCode exit_code_of(Code code) {
    switch (code) {
        case Code::kInvalidArgument:
        case Code::kInvalidOption:
        case Code::kNotFound:
        case Code::kResourceExhausted:
            return ExitCode::kBadConfig;
        case Code::kUnavailable:
        case Code::kAlreadyExists:  // A port that another process has.
            return ExitCode::kUnavailable;
        case Code::kDeadlineExceeded:
            return ExitCode::kTimedOut;
        case Code::kPermissionDenied:
            return ExitCode::kNotPermitted;
        case Code::kCorruption:
            return ExitCode::kBadData;
        case Code::kCancelled:
        case Code::kStale:
        case Code::kInternal:
            break;
    }
    return ExitCode::kFailed;
}

ExitCode exit_code_of(int http_status, std::string_view code) {
    // What was named does not exist, or is in a state that does not allow it.
    if (http_status == 404 || http_status == 409) return ExitCode::kFailed;
    if (const auto named = code_named(code)) return exit_code_of(*named);
    switch (http_status) {
        case 401:
        case 403:
            return ExitCode::kNotPermitted;
        case 413:
        case 422:
            return ExitCode::kBadConfig;
        case 429:
        case 503:
            return ExitCode::kTimedOut;
        default:
            return ExitCode::kFailed;
    }
}

ExitCode exit_with(const Error& error) {
    // A table or list in the message ends in a line break of its own.
    const std::size_t end = error.message.find_last_not_of('\n') + 1;
    fmt::print(stderr, "millrace: {}\n", std::string_view(error.message).substr(0, end));
    return exit_code_of(error.code);
}

}  // namespace millrace::cli
