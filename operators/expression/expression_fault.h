// What is wrong with the text of an expression, and where.
//
// Threads:    values.
// Failure:    none.

#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace millrace::operators {

// A part of an expression's text, in bytes from its beginning.
struct TextPlace {
    std::size_t offset = 0;
    std::size_t length = 1;
};

struct ExpressionFault {
    TextPlace place;
    std::string message;  // "there is no field "bidd""
    std::string fix;      // "did you mean "bid"?"
};

// Says what somebody probably meant who wrote a word that is not one of `words`: the `fix`. Handed
// in by who knows how the rest of the job file words it; nullptr lists the words.
using NameSuggestion = std::string (*)(std::string_view written,
                                       std::span<const std::string_view> words);

}  // namespace millrace::operators
