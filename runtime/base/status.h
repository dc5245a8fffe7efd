// Says how an operation ended: a value, or an Error that a caller can act on.
//
// Three kinds of failure have three tools. Our own bugs abort (runtime/base/check.h). Failures of
// the world and of the user travel as Status and Result<T>. Exceptions of third-party code stop at
// three borders (a task's step, option parsing, main) and become a Status there.
//
// Threads:    values, no shared state.
// Failure:    none of these functions fails or throws, std::bad_alloc excepted.

#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace millrace {

// What kind of failure it was. A new code needs a caller that reacts to it and to no other.
enum class Code : unsigned char {
    kInvalidArgument,    // A value that a user or peer gave is wrong.
    kInvalidOption,      // A key or value of the configuration or job file is wrong.
    kNotFound,           // The named thing does not exist.
    kAlreadyExists,      // The named thing exists already.
    kResourceExhausted,  // A budget, pool or limit has no room.
    kUnavailable,        // A peer cannot be reached now.
    kDeadlineExceeded,   // It did not happen in time.
    kCancelled,          // Somebody asked to stop.
    kCorruption,         // Bytes are not what they must be.
    kStale,              // Fenced by a newer attempt or leader epoch.
    kPermissionDenied,   // The operating system or the configuration forbids it.
    kInternal,           // Third-party code failed in a way that nobody can act on.
};

// Whose failure it is; follows from the code.
enum class Domain : unsigned char { kUser, kExternal, kInternal };

// The code's name as it stands in logs and REST answers, for example "resource_exhausted".
[[nodiscard]] std::string_view to_string(Code code);
[[nodiscard]] Domain domain_of(Code code);
// True when the same call may succeed later without anybody changing anything.
[[nodiscard]] bool is_retryable(Code code);

// A failure: static text first, values last, then `Hint: ...` when the reader can act.
struct Error {
    Code code = Code::kInternal;
    std::string message;

    // Returns this error with "`context`: " put in front. Add context once per level.
    [[nodiscard]] Error with_context(std::string_view context) &&;
};

template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
  public:
    using std::expected<T, Error>::expected;
};

using Status = Result<void>;

// Makes a failure to return: `return fail(Code::kNotFound, "no such slot: {}", id);`
template <class... Args>
[[nodiscard]] std::unexpected<Error> fail(Code code, fmt::format_string<Args...> text,
                                          Args&&... args) {
    return std::unexpected(Error{code, fmt::format(text, std::forward<Args>(args)...)});
}

}  // namespace millrace

#define MILLRACE_CONCAT_INNER(a, b) a##b
#define MILLRACE_CONCAT(a, b) MILLRACE_CONCAT_INNER(a, b)

// Returns the error of `expression` (a Status or Result) from the enclosing function.
#define MILLRACE_TRY(expression)                                        \
    do {                                                                \
        if (auto millrace_status = (expression); !millrace_status) {    \
            return std::unexpected(std::move(millrace_status).error()); \
        }                                                               \
    } while (false)

#define MILLRACE_TRY_ASSIGN_INNER(result, target, expression) \
    auto result = (expression);                               \
    if (!result) {                                            \
        return std::unexpected(std::move(result).error());    \
    }                                                         \
    target = std::move(*result)

// Assigns the value of `expression` (a Result) to `target`, which may declare a variable, or
// returns its error.
#define MILLRACE_TRY_ASSIGN(target, expression) \
    MILLRACE_TRY_ASSIGN_INNER(MILLRACE_CONCAT(millrace_result_, __LINE__), target, expression)
