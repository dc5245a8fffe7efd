#include "runtime/cli/exit_codes.h"

#include <catch2/catch.hpp>

namespace millrace::cli {
namespace {

// The table of the README, which is that of sysexits.h where it has a code.
TEST_CASE("A failure ends every verb with the same exit code", "[cli][exit_codes]") {
    const auto [code, expected] = GENERATE(table<Code, int>({
        {Code::kInvalidArgument, 78},
        {Code::kInvalidOption, 78},
        {Code::kNotFound, 78},
        {Code::kResourceExhausted, 78},
        {Code::kUnavailable, 69},
        {Code::kDeadlineExceeded, 75},
        {Code::kPermissionDenied, 77},
        {Code::kCorruption, 65},
        {Code::kAlreadyExists, 69},
        {Code::kCancelled, 1},
        {Code::kStale, 1},
        {Code::kInternal, 1},
    }));
    CAPTURE(to_string(code));
    REQUIRE(static_cast<int>(exit_code_of(code)) == expected);
    // A server that refuses a job for this reason says so by name.
    REQUIRE(static_cast<int>(exit_code_of(422, to_string(code))) == expected);
}

TEST_CASE("What is not there, or not in a state for it, ends with 1", "[cli][exit_codes]") {
    REQUIRE(exit_code_of(404, "not_found") == ExitCode::kFailed);
    REQUIRE(exit_code_of(409, "invalid_argument") == ExitCode::kFailed);
    REQUIRE(exit_code_of(409, "already_exists") == ExitCode::kFailed);
}

TEST_CASE("A server that names no cause is judged by its status", "[cli][exit_codes]") {
    const auto [status, expected] = GENERATE(table<int, ExitCode>({
        {401, ExitCode::kNotPermitted},
        {403, ExitCode::kNotPermitted},
        {413, ExitCode::kBadConfig},
        {422, ExitCode::kBadConfig},
        {429, ExitCode::kTimedOut},
        {503, ExitCode::kTimedOut},
        {400, ExitCode::kFailed},
        {500, ExitCode::kFailed},
    }));
    REQUIRE(exit_code_of(status, "") == expected);
    REQUIRE(exit_code_of(status, "a word of a later version") == expected);
}

}  // namespace
}  // namespace millrace::cli
