// Which cache lines of a table changed: since it was last published, and since it was last saved.
//
//   learner --mark()--> fresh --settle()--> unpublished, unsaved
//
// A bit a line, and one map for the learner: 128 KiB for 2^22 cells stay in a core's own cache,
// where a byte a line (1 MiB) made every mark wait for memory.
//
// Threads:    the table's writer.
// Ownership:  borrows its memory. Copies mark the same lines.
// Limits:     bytes(). Never allocates.
// Failure:    a slot outside the table is our bug, and checked before (learner_kernel.h).

#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace millrace::ml {

class DirtyLines {
  public:
    static constexpr unsigned kSlotBits = 2;  // A line is 4 cells.

    // 8-byte aligned. REQUIRES: at least 2^8 cells.
    [[nodiscard]] static constexpr std::size_t bytes(unsigned bits) {
        return kMaps * ((std::size_t{1} << bits >> kSlotBits) / 8);
    }

    // `memory` is zeroed, or holds anything until forget(); mark_all() fills one map of three.
    explicit DirtyLines(std::span<std::uint64_t> memory)
        : fresh_(memory.first(memory.size() / kMaps)),
          unpublished_(memory.subspan(fresh_.size(), fresh_.size())),
          unsaved_(memory.last(fresh_.size())) {}

    [[nodiscard]] std::size_t lines() const { return fresh_.size() * kWordBits; }

    void mark(std::uint32_t slot) {
        const std::uint32_t line = slot >> kSlotBits;
        fresh_[line / kWordBits] |= std::uint64_t{1} << (line % kWordBits);
    }
    void mark_all() { std::ranges::fill(fresh_, ~std::uint64_t{0}); }
    // No line has changed.
    void forget() {
        for (const auto map : {fresh_, unpublished_, unsaved_}) std::ranges::fill(map, 0);
    }

    // Calls visit(line) for each line that changed since the last call, in ascending order.
    template <class Visit>
    void take_unpublished(const Visit& visit) {
        settle();
        for (std::size_t word = 0; word < unpublished_.size(); ++word) {
            for (std::uint64_t bits = unpublished_[word]; bits != 0; bits &= bits - 1)
                visit(word * kWordBits + static_cast<std::size_t>(std::countr_zero(bits)));
            unpublished_[word] = 0;
        }
    }

    // Whether the line changed before the last settle() and after the last saved().
    [[nodiscard]] bool is_unsaved(std::size_t line) const {
        return (unsaved_[line / kWordBits] >> (line % kWordBits) & 1U) != 0;
    }
    // All that settle() has seen is saved now.
    void saved() { std::ranges::fill(unsaved_, 0); }
    // Tells both consumers what was marked.
    void settle() {
        for (std::size_t word = 0; word < fresh_.size(); ++word) {
            if (fresh_[word] == 0) continue;
            unpublished_[word] |= fresh_[word];
            unsaved_[word] |= fresh_[word];
            fresh_[word] = 0;
        }
    }

  private:
    static constexpr std::size_t kMaps = 3;
    static constexpr std::size_t kWordBits = 64;

    std::span<std::uint64_t> fresh_;
    std::span<std::uint64_t> unpublished_;
    std::span<std::uint64_t> unsaved_;
};

}  // namespace millrace::ml
