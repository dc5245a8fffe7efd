// The training table of one shard of one model: 2^bits cells of 16 bytes, one writer.
//
// Cell 0 belongs to the constant feature. A cell of zeros is "never seen" for every learner, so a
// table over fresh memory is the prior (version 0) except for what Learner::set_prior() writes. The
// table remembers which cache lines (4 cells) changed, once for publish() and once for snapshots.
//
// Threads:    one writer at a time (whoever holds the model's token); readers use a ServingView.
// Ownership:  borrows all memory, which must outlive the table.
// Limits:     kMinBits <= bits <= kMaxBits. Never allocates.
// Failure:    none.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "ml/dirty_lines.h"
#include "ml/order_log.h"
#include "ml/serving_view.h"
#include "ml/standard_scaler.h"

namespace millrace::ml {

constexpr unsigned kMinBits = 8;
constexpr unsigned kMaxBits = 31;

// One coordinate. `w` is what readers get; what `state` means is the learner's business.
struct alignas(16) Cell {
    float w = 0;
    std::array<float, 3> state{};
};
static_assert(sizeof(Cell) == 16);

constexpr std::size_t kCellsPerLine = 64 / sizeof(Cell);
static_assert(kCellsPerLine == 1U << DirtyLines::kSlotBits);

// Rows since the model began. Skipped rows touched no cell and do not count as seen.
struct RowCounts {
    std::uint64_t learned = 0;
    std::uint64_t skipped_features = 0;  // A value, or the update it asks for, is not finite.
    std::uint64_t skipped_label = 0;     // Not finite, or not one of the labels of the task.
    std::uint64_t skipped_weight = 0;    // Not finite, or negative.

    [[nodiscard]] std::uint64_t skipped() const {
        return skipped_features + skipped_label + skipped_weight;
    }
    RowCounts& operator+=(const RowCounts& other);
    bool operator==(const RowCounts&) const = default;
};

class Table {
  public:
    struct Memory {
        std::span<Cell> cells;             // cell_bytes(): 64-byte aligned; 2 MiB serves best.
        std::span<std::uint64_t> dirty;    // DirtyLines::bytes(): 8-byte aligned.
        std::span<OrderRun> order_runs{};  // As long an order log as the caller wants to allow.
    };
    // Whether the memory is known to be all zeros; a table of 64 MiB takes 20 ms to clear.
    enum class Content : std::uint8_t { kZeroed, kUnknown };

    [[nodiscard]] static std::size_t cell_bytes(unsigned bits) { return sizeof(Cell) << bits; }

    // `scaled_columns`: columns that the model's features standardize (StandardScaler).
    // REQUIRES: the sizes above, and kMinBits <= bits <= kMaxBits.
    Table(unsigned bits, Memory memory, Content content, std::uint32_t scaled_columns = 0);

    Table(const Table&) = delete;
    Table& operator=(const Table&) = delete;

    // Copies every line that changed since the last call into `view` and raises version() by one;
    // the next call does nothing, and returns false, unless rows were learned in between.
    // REQUIRES: `view` has this table's bits, and is the one view that this table feeds.
    bool publish(ServingView& view);

    // Forgets everything: cells, counters, order log, scaler. The version goes on growing.
    void clear();
    // Says that a cell changed otherwise than by training.
    void mark_dirty(std::uint32_t slot);
    // Says that every cell changed, for example because a common factor was divided out.
    void mark_all_dirty();

    [[nodiscard]] unsigned bits() const { return bits_; }
    [[nodiscard]] std::uint32_t mask() const { return mask_; }
    [[nodiscard]] std::span<Cell> cells() { return memory_.cells; }
    [[nodiscard]] std::span<const Cell> cells() const { return memory_.cells; }
    [[nodiscard]] DirtyLines& dirty() { return dirty_; }
    [[nodiscard]] const DirtyLines& dirty() const { return dirty_; }
    // The number of publications; what predictions carry. Survives snapshots.
    [[nodiscard]] std::uint64_t version() const { return version_; }
    [[nodiscard]] ModelScalars& scalars() { return scalars_; }
    [[nodiscard]] const ModelScalars& scalars() const { return scalars_; }
    [[nodiscard]] RowCounts& counts() { return counts_; }
    [[nodiscard]] const RowCounts& counts() const { return counts_; }
    [[nodiscard]] StandardScaler& scaler() { return scaler_; }
    [[nodiscard]] const StandardScaler& scaler() const { return scaler_; }
    [[nodiscard]] OrderLog& order_log() { return order_log_; }
    [[nodiscard]] const OrderLog& order_log() const { return order_log_; }

    // Called by snapshots after a restore.
    void set_version(std::uint64_t version) { version_ = version; }

  private:
    void copy_dirty_lines(ServingView& view);

    // Constant after construction.
    const unsigned bits_;
    const std::uint32_t mask_;
    const Memory memory_;

    // Written by the writer only.
    std::uint64_t version_ = 0;
    DirtyLines dirty_;
    bool changed_ = true;
    std::uint64_t rows_published_ = 0;
    ModelScalars scalars_;
    RowCounts counts_;
    StandardScaler scaler_;
    OrderLog order_log_;
};

}  // namespace millrace::ml
