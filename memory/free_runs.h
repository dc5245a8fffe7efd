// Knows which pages of a region are free and finds runs of them, in address order.
//
// One bit a page, and over each 64 of them a tree of (free at the start, free at the end, longest
// run). Neighbouring free pages are one run by construction, so there is nothing to merge. Finding
// and marking cost O(log pages).
//
// Threads:    one owner (the MemoryManager's lock).
// Ownership:  owns its table, 1 bit a page and 12 bytes for every 32 pages.
// Limits:     the number of pages, fixed at construction.
// Failure:    no run long enough is nullopt. Giving back a free page is a bug and aborts.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace millrace::memory {

class FreeRuns {
  public:
    // All pages are free.
    explicit FreeRuns(std::uint32_t pages);

    // Takes the run of `pages` with the lowest address. REQUIRES: pages > 0.
    std::optional<std::uint32_t> take(std::uint32_t pages);
    // Takes the run with the highest address whose first page is a multiple of `alignment`.
    std::optional<std::uint32_t> take_aligned(std::uint32_t pages, std::uint32_t alignment);
    // Gives back `pages` pages from `first` on. REQUIRES: all of them are taken.
    void give(std::uint32_t first, std::uint32_t pages);

    [[nodiscard]] std::uint32_t pages() const { return pages_; }
    [[nodiscard]] std::uint32_t free_pages() const { return free_pages_; }
    [[nodiscard]] std::uint32_t largest_free() const { return nodes_[1].longest; }
    // 1 - longest run / free pages; 0 when nothing is free.
    [[nodiscard]] double fragmentation() const;

  private:
    struct Node {
        std::uint32_t prefix = 0;   // Free pages at the start.
        std::uint32_t suffix = 0;   // Free pages at the end.
        std::uint32_t longest = 0;  // Longest run within.

        friend bool operator==(const Node&, const Node&) = default;
    };

    // Flips [first, first + pages), which must all be in the state `is_free` was before.
    void mark(std::uint32_t first, std::uint32_t pages, bool is_free);
    // Brings the tree up to date above the words that changed.
    void refresh(std::uint32_t first_word, std::uint32_t last_word);
    // The node over two neighbours that span `width` pages each.
    [[nodiscard]] static Node joined(const Node& left, const Node& right, std::uint32_t width);
    // Lowest taken page in [first, first + pages); first + pages when there is none.
    [[nodiscard]] std::uint32_t first_taken(std::uint32_t first, std::uint32_t pages) const;

    const std::uint32_t pages_;
    const std::uint32_t leaf_count_;  // A power of two.
    std::uint32_t free_pages_;
    std::vector<std::uint64_t> words_;  // Bit set: page free.
    std::vector<Node> nodes_;           // A heap: children of i are 2i and 2i + 1.
};

}  // namespace millrace::memory
