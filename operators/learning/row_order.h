// Brings the batches of a model's feeds into canonical order, row by row (order: canonical).
//
// A feed is what one subtask upstream makes: the rows of its splits, each split in its own order. A
// row comes out when no other split can still have one before it. Rows wait where they are, in
// their batches; this keeps who follows whom in a split, one number a row, and hands each split's
// next few rows to ml::CanonicalOrder, which decides.
//
// Threads:    one owner: the table's writer.
// Ownership:  borrows the links, and the batches from admit() until their last row came out.
// Limits:     `batches` batches; ml::CanonicalOrder::kSplitsMax splits; kRingRows rows of a split
// in
//             the decision. Allocates when a split is added only.
// Failure:    none.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ml/canonical_order.h"
#include "runtime/base/clock.h"
#include "runtime/data/batch.h"

namespace millrace::operators {

// What is known beforehand about the rows that a model will get.
struct OrderPlan {
    struct Split {
        std::uint32_t split = 0;
        std::vector<std::uint32_t> feeds;  // That carry it; usually one.
        // How long a silent split holds the others up.
        Duration idle_after = std::chrono::seconds(30);
    };
    std::vector<std::uint32_t> feed_owners;  // By feed: the train subtask that it comes to.
    std::vector<Split> splits;
};

class RowOrder {
  public:
    static constexpr std::uint32_t kRingRows = 64;

    // Rows first_row, first_row + 1, ... of batch number `handle`.
    using Run = ml::CanonicalOrder::Run;
    // The split that holds everything up, and until when.
    struct Wait {
        std::uint32_t split = 0;
        std::span<const std::uint32_t> feeds;
        TimePoint until;
    };

    [[nodiscard]] static std::size_t link_count(std::uint32_t batches) {
        return batches * data::kRowsMax;
    }
    // REQUIRES: links.size() == link_count(batches).
    RowOrder(std::uint32_t batches, std::span<std::uint32_t> links);

    // Splits must be known before rows of others come out, or they may be late. A split that is
    // known already is left alone.
    void add_split(const OrderPlan::Split& split, TimePoint now);
    // Queues all rows of a batch under a number below `batches` that is not in use.
    void admit(std::uint32_t number, std::uint32_t feed, const data::Batch& batch, TimePoint now);
    // Nothing more comes from this feed: ends the splits that no other feed carries.
    void end_feed(std::uint32_t feed);
    // The feed could not deliver until now: its splits were not silent of their own will.
    void excuse_feed(std::uint32_t feed, TimePoint now);
    // Nobody could be heard for so long.
    void excuse_all(Duration pause);

    // The next rows in order, all of one split and batch; nullopt when none is certain.
    std::optional<Run> next(std::uint32_t count_max);
    // Why next() has nothing although rows wait; nullopt when none do.
    [[nodiscard]] std::optional<Wait> waiting() const;
    // Goes on without the split that is waited for, until it speaks again.
    void skip(std::uint32_t split);

    [[nodiscard]] std::uint64_t rows_waiting() const { return rows_waiting_; }

  private:
    static constexpr std::uint32_t kNone = 0xffffffff;
    // The rows of one split, oldest first: a list of nodes, number * kRowsMax + row.
    struct Line {
        std::uint32_t split = 0;
        std::vector<std::uint32_t> feeds;
        std::size_t feeds_open = 0;
        Duration idle_after{};
        TimePoint heard;
        std::uint32_t head = kNone;
        std::uint32_t tail = kNone;
        std::uint32_t deciding = 0;  // Rows that the decision has; they are before `head`.
        bool has_ended = false;
    };

    [[nodiscard]] std::size_t index_of(std::uint32_t split) const;
    Line& line_of(std::uint32_t split, std::uint32_t feed, TimePoint now);
    void append(Line& line, std::uint32_t node);
    // Hands rows to the decision if it has none of this split.
    void top_up(Line& line);
    void end_if_over(Line& line);

    const std::span<std::uint32_t> links_;            // By node: the next one of the split.
    std::vector<const std::int64_t*> timestamps_ms_;  // By batch number.
    std::vector<Line> lines_;                         // By split.
    ml::CanonicalOrder order_{kRingRows};
    std::uint64_t rows_waiting_ = 0;
};

}  // namespace millrace::operators
