// Checks for our own bugs: on in every build, prints what was compared, aborts the process.
//
// A broken invariant must stop this process before it can spread; the peers' failure handling
// recovers. Never use these for input, configuration or the outside world: those are a Status.
//
// Threads:    any.
// Failure:    aborts with file, line, expression and both values on standard error.

#pragma once

#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>

#include <fmt/core.h>

namespace millrace::internal {

// Prints and aborts.
[[noreturn]] void check_failed(std::string_view expression, std::string_view values,
                               std::source_location where);

template <class T>
std::string printed(const T& value) {
    if constexpr (std::is_enum_v<T>) {
        return fmt::format("{}", static_cast<long long>(value));
    } else if constexpr (std::is_pointer_v<T> || std::is_null_pointer_v<T>) {
        return fmt::format("{}", static_cast<const void*>(value));
    } else if constexpr (fmt::is_formattable<T>::value) {
        return fmt::format("{}", value);
    } else {
        return "?";
    }
}

template <class A, class B>
[[noreturn]] void check_pair_failed(std::string_view expression, const A& a, const B& b,
                                    std::source_location where) {
    check_failed(expression, printed(a) + " against " + printed(b), where);
}

}  // namespace millrace::internal

#define MILLRACE_CHECK(condition)                                                                \
    do {                                                                                         \
        if (!(condition)) [[unlikely]] {                                                         \
            ::millrace::internal::check_failed(#condition, "", std::source_location::current()); \
        }                                                                                        \
    } while (false)

#define MILLRACE_CHECK_PAIR(a, op, b)                                                          \
    do {                                                                                       \
        const auto& millrace_a = (a);                                                          \
        const auto& millrace_b = (b);                                                          \
        if (!(millrace_a op millrace_b)) [[unlikely]] {                                        \
            ::millrace::internal::check_pair_failed(#a " " #op " " #b, millrace_a, millrace_b, \
                                                    std::source_location::current());          \
        }                                                                                      \
    } while (false)

#define MILLRACE_CHECK_EQ(a, b) MILLRACE_CHECK_PAIR(a, ==, b)
#define MILLRACE_CHECK_NE(a, b) MILLRACE_CHECK_PAIR(a, !=, b)
#define MILLRACE_CHECK_LE(a, b) MILLRACE_CHECK_PAIR(a, <=, b)
#define MILLRACE_CHECK_LT(a, b) MILLRACE_CHECK_PAIR(a, <, b)
#define MILLRACE_CHECK_GE(a, b) MILLRACE_CHECK_PAIR(a, >=, b)
#define MILLRACE_CHECK_GT(a, b) MILLRACE_CHECK_PAIR(a, >, b)
