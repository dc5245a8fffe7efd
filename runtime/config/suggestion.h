// Says what to write instead of a word that is not known.
//
// Threads:    any.
// Limits:     as nearest_word().
// Failure:    none.

#pragma once

#include <span>
#include <string>
#include <string_view>

namespace millrace::config {

// "did you mean "topic"?", else "write one of: a, b, c".
[[nodiscard]] std::string suggestion(std::string_view written,
                                     std::span<const std::string_view> words);

// "write one of: a, b, c", or "write a".
[[nodiscard]] std::string choice(std::span<const std::string_view> words);

// "a, b, c", cut after two dozen.
[[nodiscard]] std::string listed(std::span<const std::string_view> words);

}  // namespace millrace::config
