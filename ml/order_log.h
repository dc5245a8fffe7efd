// Remembers in which order rows of several splits were learned, so that a model can be rebuilt.
//
// The log is a list of runs: `count` rows of `split`, each split's rows being in their own order.
// A run of no rows says that a dry split was skipped at this place (order: canonical). With the
// input and this log every model version can be computed again, bit for bit.
//
// Threads:    one owner.
// Ownership:  borrows its memory, which must outlive it.
// Limits:     as many runs as the memory holds; then append() refuses, and the owner must take a
//             checkpoint, which empties the log.
// Failure:    none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace millrace::ml {

struct OrderRun {
    // In the place of a split: `count` rows of any, in canonical order, which the input tells.
    static constexpr std::uint32_t kCanonical = 0xffffffff;

    std::uint32_t split = 0;
    std::uint32_t count = 0;  // 0: the split was dry and skipped here.
    bool operator==(const OrderRun&) const = default;
};

class OrderLog {
  public:
    explicit OrderLog(std::span<OrderRun> memory) : memory_(memory) {}

    // Adds `count` rows of `split`; joins the last run if it can.
    // False, and nothing is added, when the memory is full. REQUIRES: count > 0.
    [[nodiscard]] bool append(std::uint32_t split, std::uint32_t count);
    // Notes that `split` was skipped as dry. False when the memory is full.
    [[nodiscard]] bool append_skip(std::uint32_t split);
    // Adds a run as it is, as a restored log has it. False when the memory is full.
    [[nodiscard]] bool append_run(OrderRun run);

    [[nodiscard]] std::span<const OrderRun> runs() const { return memory_.first(size_); }
    [[nodiscard]] std::size_t capacity() const { return memory_.size(); }
    void clear() { size_ = 0; }

  private:
    std::span<OrderRun> memory_;
    std::size_t size_ = 0;
};

}  // namespace millrace::ml
