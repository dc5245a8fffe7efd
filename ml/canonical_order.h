// Brings rows of several splits into one order that is a pure function of the input.
//
// Rows are ordered by (running maximum of the record timestamp within the split, split, ordinal),
// whatever the order in which splits deliver. A row is given out once every other split is known to
// have nothing before it: its next row, or the maximum it has reached, sorts later, or it has
// ended, or it was declared dry. Rows of a split that was dry and speaks again take their place
// among what has not been given out yet.
//
// Threads:    one owner.
// Ownership:  owns the keys of waiting rows, not the rows; `handle` names them to the caller.
// Limits:     kSplitsMax splits, `rows_per_split` waiting rows each: push() takes no more than fit,
//             and the caller then stops reading that split. Allocates in add_split() only.
// Failure:    none.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace millrace::ml {

class CanonicalOrder {
  public:
    static constexpr std::uint32_t kSplitsMax = 4096;

    // Rows first_row, first_row + 1, ... of what the caller calls `handle`.
    struct Run {
        std::uint32_t split = 0;
        std::uint64_t handle = 0;
        std::uint32_t first_row = 0;
        std::uint32_t count = 0;
    };

    // REQUIRES: rows_per_split > 0.
    explicit CanonicalOrder(std::uint32_t rows_per_split);

    // Makes a split known; until it has spoken, nothing can be given out, since it could be first.
    // Splits are numbered by the caller; their numbers are part of the order.
    // REQUIRES: not known yet; fewer than kSplitsMax.
    void add_split(std::uint32_t split);

    // Queues rows of `split`, in its order: rows first_row, first_row + 1, ... of `handle`, with
    // these timestamps. Returns how many fit; the rest must come again. A dry split is awake again.
    // REQUIRES: the split is known and has not ended.
    std::uint32_t push(std::uint32_t split, std::uint64_t handle, std::uint32_t first_row,
                       std::span<const std::int64_t> timestamps_ms);

    // The split has no more rows.
    void end(std::uint32_t split);
    // The split is silent: do not wait for it until it speaks. Belongs into the order log.
    // False, and nothing changes, if the split has rows waiting or has ended.
    bool mark_dry(std::uint32_t split);

    // The next rows in order, all of one split and one handle, at most `count_max`; nullopt when
    // none is certain. REQUIRES: count_max > 0.
    std::optional<Run> next(std::uint32_t count_max);
    // The split that next() waits for; nullopt if none (nothing waits at all).
    [[nodiscard]] std::optional<std::uint32_t> waiting_for() const;

    [[nodiscard]] std::uint64_t rows_waiting() const { return rows_waiting_; }

  private:
    struct Key {
        std::int64_t reached_ms;  // The running maximum.
        std::uint64_t handle;
        std::uint32_t row;
    };
    enum class Phase : std::uint8_t { kActive, kDry, kEnded };
    struct Split {
        std::uint32_t number = 0;
        Phase phase = Phase::kActive;
        std::int64_t reached_ms = 0;
        std::uint32_t head = 0;  // A ring of waiting rows.
        std::uint32_t size = 0;
        std::vector<Key> ring;
    };

    [[nodiscard]] Split& split_of(std::uint32_t number);
    // Whether rows of other splits may have to wait for this one's.
    [[nodiscard]] static bool takes_part(const Split& split);
    // No row that `split` has or will have sorts before this.
    [[nodiscard]] static std::int64_t bound_of(const Split& split);
    // The split that sorts first, and the one after it.
    struct Leaders {
        Split* first = nullptr;
        const Split* second = nullptr;
    };
    [[nodiscard]] Leaders leaders();

    const std::uint32_t rows_per_split_;
    std::vector<Split> splits_;  // By number.
    std::uint64_t rows_waiting_ = 0;
};

}  // namespace millrace::ml
