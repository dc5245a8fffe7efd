// Finds the word that somebody who mistyped one probably meant.
//
// Threads:    any.
// Limits:     words longer than kSuggestedBytesMax get no suggestion.
// Failure:    none; no word is an answer.

#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace millrace {

inline constexpr std::size_t kSuggestedBytesMax = 64;

// Changes of one letter (added, left out, replaced, or two neighbours swapped) from one to the
// other: optimal string alignment.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The nearest of `words` to `written`, at most max(1, length/3) changes away; the first of equals.
// Differences in case, '-' and '_' count as nothing.
[[nodiscard]] std::optional<std::string_view> nearest_word(std::string_view written,
                                                           std::span<const std::string_view> words);

}  // namespace millrace
