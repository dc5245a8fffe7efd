#include "runtime/base/nearest_word.h"

#include <algorithm>
#include <string>
#include <vector>

namespace millrace {
namespace {

// Lower case without '-' and '_': `maxDelay` and `max-delay` are `max_delay`.
std::string folded(std::string_view word) {
    std::string out;
    for (const char letter : word) {
        if (letter >= 'A' && letter <= 'Z') {
            out += static_cast<char>(letter - 'A' + 'a');
        } else if (letter != '-' && letter != '_') {
            out += letter;
        }
    }
    return out;
}

std::size_t distance_to(std::string_view written, std::string_view word) {
    return folded(written) == folded(word) ? 0 : edit_distance(written, word);
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
    const std::size_t width = b.size() + 1;
    std::vector<std::size_t> before_last(width);
    std::vector<std::size_t> last(width);
    std::vector<std::size_t> row(width);
    for (std::size_t j = 0; j < width; ++j) {
        last[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j < width; ++j) {
            const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before_last[j - 2] + 1);
            }
        }
        before_last.swap(last);
        last.swap(row);
    }
    return last[b.size()];
}

std::optional<std::string_view> nearest_word(std::string_view written,
                                             std::span<const std::string_view> words) {
    if (written.size() > kSuggestedBytesMax) {
        return std::nullopt;
    }
    std::optional<std::string_view> best;
    std::size_t best_distance = std::max<std::size_t>(1, written.size() / 3) + 1;
    for (const std::string_view word : words) {
        if (word.size() > kSuggestedBytesMax) {
            continue;
        }
        const std::size_t distance = distance_to(written, word);
        // A word of which nothing is left is no suggestion.
        if (distance < best_distance && distance < written.size()) {
            best_distance = distance;
            best = word;
        }
    }
    return best;
}

}  // namespace millrace
