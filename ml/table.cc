#include "ml/table.h"

#include <algorithm>

#include "ml/prefetch.h"
#include "runtime/base/check.h"

namespace millrace::ml {

RowCounts& RowCounts::operator+=(const RowCounts& other) {
    learned += other.learned;
    skipped_features += other.skipped_features;
    skipped_label += other.skipped_label;
    skipped_weight += other.skipped_weight;
    return *this;
}

Table::Table(unsigned bits, Memory memory, Content content, std::uint32_t scaled_columns)
    : bits_(bits),
      mask_(static_cast<std::uint32_t>((std::uint64_t{1} << bits) - 1)),
      memory_(memory),
      dirty_(memory.dirty),
      scaler_(scaled_columns),
      order_log_(memory.order_runs) {
    MILLRACE_CHECK_GE(bits, kMinBits);
    MILLRACE_CHECK_LE(bits, kMaxBits);
    MILLRACE_CHECK_EQ(memory.cells.size_bytes(), cell_bytes(bits));
    MILLRACE_CHECK_EQ(memory.dirty.size_bytes(), DirtyLines::bytes(bits));
    MILLRACE_CHECK_EQ(reinterpret_cast<std::uintptr_t>(memory.cells.data()) % 64, 0U);
    MILLRACE_CHECK_EQ(reinterpret_cast<std::uintptr_t>(memory.dirty.data()) % 8, 0U);
    if (content == Content::kUnknown) clear();
}

void Table::clear() {
    std::ranges::fill(memory_.cells, Cell{});
    scalars_ = {};
    counts_ = {};
    scaler_.clear();
    order_log_.clear();
    dirty_.forget();
    mark_all_dirty();
}

void Table::mark_dirty(std::uint32_t slot) {
    MILLRACE_CHECK_LE(slot, mask_);
    dirty_.mark(slot);
    changed_ = true;
}

void Table::mark_all_dirty() {
    dirty_.mark_all();
    changed_ = true;
}

bool Table::publish(ServingView& view) {
    MILLRACE_CHECK_EQ(view.bits(), bits_);
    if (!changed_ && counts_.learned == rows_published_) return false;
    view.begin_publish(scalars_, scaler_);
    copy_dirty_lines(view);
    // Version 0 is the prior, and stands in the view after the first call.
    const bool is_prior = version_ == 0 && counts_.learned == 0;
    if (!is_prior) ++version_;
    view.finish_publish(version_, counts_.learned);
    rows_published_ = counts_.learned;
    changed_ = false;
    return true;
}

void Table::copy_dirty_lines(ServingView& view) {
    // Finds a batch of dirty lines and asks memory for them all before it copies the first.
    constexpr std::size_t kBatch = 32;
    std::array<std::size_t, kBatch> lines;
    std::size_t found = 0;
    const auto copy = [&] {
        for (std::size_t i = 0; i < found; ++i) {
            view.store_line(lines[i], memory_.cells.data() + lines[i] * kCellsPerLine);
        }
        found = 0;
    };
    dirty_.take_unpublished([&](std::size_t line) {
        prefetch_line(memory_.cells.data() + line * kCellsPerLine);
        lines[found++] = line;
        if (found == kBatch) copy();
    });
    copy();
}

}  // namespace millrace::ml
