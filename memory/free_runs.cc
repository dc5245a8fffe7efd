#include "memory/free_runs.h"

#include <algorithm>
#include <array>
#include <bit>

#include "runtime/base/check.h"

namespace millrace::memory {
namespace {

constexpr std::uint32_t kWordPages = 64;

// Bits [begin, end). REQUIRES: begin < end.
std::uint64_t mask_of(std::uint32_t begin, std::uint32_t end) {
    return (~std::uint64_t{0} >> (kWordPages - (end - begin))) << begin;
}

// The longest run of ones, found by doubling: starts[i] marks where 2^i ones begin.
std::uint32_t longest_run(std::uint64_t bits) {
    if (bits == 0) return 0;
    if (~bits == 0) return kWordPages;
    std::array<std::uint64_t, 6> starts{bits};
    std::size_t top = 0;
    while (top < 5) {
        const std::uint64_t next = starts[top] & (starts[top] >> (1U << top));
        if (next == 0) break;
        starts[++top] = next;
    }
    std::uint64_t current = starts[top];
    std::uint32_t length = 1U << top;
    for (std::size_t i = top; i-- > 0;) {
        const std::uint64_t next = current & (starts[i] >> length);
        if (next == 0) continue;
        current = next;
        length += 1U << i;
    }
    return length;
}

// Where the first run of `pages` ones begins. REQUIRES: there is one.
std::uint32_t find_in_word(std::uint64_t bits, std::uint32_t pages) {
    for (std::uint32_t have = 1; have < pages;) {
        const std::uint32_t step = std::min(have, pages - have);
        bits &= bits >> step;
        have += step;
    }
    return static_cast<std::uint32_t>(std::countr_zero(bits));
}

}  // namespace

FreeRuns::FreeRuns(std::uint32_t pages)
    : pages_(pages),
      leaf_count_(std::bit_ceil(std::max(1U, (pages + kWordPages - 1) / kWordPages))),
      free_pages_(0),
      words_(leaf_count_),
      nodes_(2 * std::size_t{leaf_count_}) {
    MILLRACE_CHECK_GT(pages, 0U);
    mark(0, pages, true);
}

std::optional<std::uint32_t> FreeRuns::take(std::uint32_t pages) {
    MILLRACE_CHECK_GT(pages, 0U);
    if (nodes_[1].longest < pages) return std::nullopt;
    std::uint32_t node = 1;
    std::uint32_t base = 0;
    std::uint32_t width = leaf_count_ * kWordPages;
    while (node < leaf_count_) {
        const Node& left = nodes_[2 * std::size_t{node}];
        const Node& right = nodes_[2 * std::size_t{node} + 1];
        width /= 2;
        if (left.longest >= pages) {
            node = 2 * node;
        } else if (left.suffix + right.prefix >= pages) {
            const std::uint32_t first = base + width - left.suffix;
            mark(first, pages, false);
            return first;
        } else {
            node = 2 * node + 1;
            base += width;
        }
    }
    const std::uint32_t first = base + find_in_word(words_[node - leaf_count_], pages);
    mark(first, pages, false);
    return first;
}

std::optional<std::uint32_t> FreeRuns::take_aligned(std::uint32_t pages, std::uint32_t alignment) {
    MILLRACE_CHECK_GT(pages, 0U);
    if (nodes_[1].longest < pages) return std::nullopt;
    std::uint32_t first = (pages_ - pages) / alignment * alignment;
    while (true) {
        const std::uint32_t taken = first_taken(first, pages);
        if (taken == first + pages) break;
        // Every run that begins lower and is long enough to hold `taken` is out, too.
        if (taken < pages) return std::nullopt;
        first = (taken - pages) / alignment * alignment;
    }
    mark(first, pages, false);
    return first;
}

void FreeRuns::give(std::uint32_t first, std::uint32_t pages) {
    MILLRACE_CHECK_GT(pages, 0U);
    MILLRACE_CHECK_LE(std::uint64_t{first} + pages, pages_);
    mark(first, pages, true);
}

double FreeRuns::fragmentation() const {
    if (free_pages_ == 0) return 0;
    return 1.0 - static_cast<double>(largest_free()) / static_cast<double>(free_pages_);
}

void FreeRuns::mark(std::uint32_t first, std::uint32_t pages, bool is_free) {
    const std::uint32_t first_word = first / kWordPages;
    const std::uint32_t last_word = (first + pages - 1) / kWordPages;
    for (std::uint32_t word = first_word; word <= last_word; ++word) {
        const std::uint32_t begin = word == first_word ? first % kWordPages : 0;
        const std::uint32_t end =
            word == last_word ? (first + pages - 1) % kWordPages + 1 : kWordPages;
        const std::uint64_t bits = mask_of(begin, end);
        MILLRACE_CHECK_EQ(words_[word] & bits, is_free ? 0 : bits);
        words_[word] ^= bits;
    }
    free_pages_ = is_free ? free_pages_ + pages : free_pages_ - pages;
    refresh(first_word, last_word);
}

void FreeRuns::refresh(std::uint32_t first_word, std::uint32_t last_word) {
    for (std::uint32_t word = first_word; word <= last_word; ++word) {
        const std::uint64_t bits = words_[word];
        nodes_[leaf_count_ + std::size_t{word}] = {
            static_cast<std::uint32_t>(std::countr_one(bits)),
            static_cast<std::uint32_t>(std::countl_one(bits)), longest_run(bits)};
    }
    std::uint32_t width = kWordPages;  // Of a child.
    std::size_t low = (leaf_count_ + std::size_t{first_word}) / 2;
    std::size_t high = (leaf_count_ + std::size_t{last_word}) / 2;
    for (; low >= 1; low /= 2, high /= 2, width *= 2) {
        bool is_changed = false;
        for (std::size_t i = low; i <= high; ++i) {
            const Node before = nodes_[i];
            nodes_[i] = joined(nodes_[2 * i], nodes_[2 * i + 1], width);
            is_changed = is_changed || nodes_[i] != before;
        }
        if (!is_changed) return;  // Nothing above can change either.
    }
}

FreeRuns::Node FreeRuns::joined(const Node& left, const Node& right, std::uint32_t width) {
    return {left.prefix == width ? width + right.prefix : left.prefix,
            right.suffix == width ? width + left.suffix : right.suffix,
            std::max({left.longest, right.longest, left.suffix + right.prefix})};
}

std::uint32_t FreeRuns::first_taken(std::uint32_t first, std::uint32_t pages) const {
    const std::uint32_t end = first + pages;
    for (std::uint32_t page = first; page < end;) {
        const std::uint32_t offset = page % kWordPages;
        const auto free_ones =
            static_cast<std::uint32_t>(std::countr_one(words_[page / kWordPages] >> offset));
        if (free_ones < kWordPages - offset) return std::min(page + free_ones, end);
        page += kWordPages - offset;
    }
    return end;
}

}  // namespace millrace::memory
