#include "runtime/config/suggestion.h"

#include <algorithm>

#include <fmt/format.h>

#include "runtime/base/nearest_word.h"

namespace millrace::config {
namespace {

constexpr std::size_t kListedMax = 24;

}  // namespace

std::string suggestion(std::string_view written, std::span<const std::string_view> words) {
    if (const auto word = nearest_word(written, words)) {
        return fmt::format("did you mean \"{}\"?", *word);
    }
    return choice(words);
}

std::string choice(std::span<const std::string_view> words) {
    if (words.size() == 1) {
        return fmt::format("write {}", words.front());
    }
    return words.empty() ? "" : fmt::format("write one of: {}", listed(words));
}

std::string listed(std::span<const std::string_view> words) {
    std::string out;
    const std::size_t shown = std::min(words.size(), kListedMax);
    for (std::size_t i = 0; i < shown; ++i) {
        out += i == 0 ? "" : ", ";
        out += words[i];
    }
    if (shown < words.size()) {
        out += fmt::format(" and {} more", words.size() - shown);
    }
    return out;
}

}  // namespace millrace::config
