// Structured narration of a process: text or JSON lines on standard error, behind spdlog.
//
// `error` means that a person must look; expected trouble is `warn` or lower. Nothing is logged per
// record. Payloads and secrets never go into a log line.
//
// Threads:    any.
// Ownership:  one process-wide sink, set up once by main().
// Limits:     a line is cut at 8 KiB.
// Failure:    a failing sink is ignored.

#pragma once

#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace millrace::log {

enum class Level : unsigned char { kTrace, kDebug, kInfo, kWarn, kError, kOff };
enum class Format : unsigned char { kText, kJson };

// Sets the process-wide level and format. Before the first call: warn and text.
void configure(Level level, Format format);
[[nodiscard]] bool is_enabled(Level level);
// Writes one line. Prefer the named functions below.
void write(Level level, std::string_view text);

template <class... Args>
void debug(fmt::format_string<Args...> text, Args&&... args) {
    if (is_enabled(Level::kDebug))
        write(Level::kDebug, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> text, Args&&... args) {
    if (is_enabled(Level::kInfo))
        write(Level::kInfo, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> text, Args&&... args) {
    if (is_enabled(Level::kWarn))
        write(Level::kWarn, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> text, Args&&... args) {
    if (is_enabled(Level::kError))
        write(Level::kError, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace millrace::log
