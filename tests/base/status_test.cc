#include "runtime/base/status.h"

#include <memory>

#include <catch2/catch.hpp>

namespace millrace {
namespace {

Result<int> half(int n) {
    if (n % 2 != 0) return fail(Code::kInvalidArgument, "not even: {}", n);
    return n / 2;
}

Result<int> quarter(int n) {
    MILLRACE_TRY_ASSIGN(const int once, half(n));
    return half(once);
}

Status check_quarter(int n) {
    MILLRACE_TRY(quarter(n));
    return {};
}

TEST_CASE("Try returns the first error and keeps its text", "[base][status]") {
    REQUIRE(*quarter(8) == 2);
    REQUIRE(quarter(6).error().message == "not even: 3");
    REQUIRE(check_quarter(5).error().code == Code::kInvalidArgument);
    REQUIRE(check_quarter(4));
}

TEST_CASE("Try moves values that cannot be copied", "[base][status]") {
    const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(3); };
    const auto use = [&]() -> Result<int> {
        MILLRACE_TRY_ASSIGN(auto p, make());
        return *p;
    };
    REQUIRE(*use() == 3);
}

TEST_CASE("Error context stands in front, outermost first", "[base][status]") {
    const Error error =
        Error{Code::kNotFound, "no such file: x"}.with_context("open").with_context("source");
    REQUIRE(error.message == "source: open: no such file: x");
    REQUIRE(domain_of(error.code) == Domain::kUser);
    REQUIRE_FALSE(is_retryable(error.code));
    REQUIRE(is_retryable(Code::kUnavailable));
}

}  // namespace
}  // namespace millrace
