#include "operators/learning/row_gather.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace millrace::operators {
namespace {

std::size_t entries(std::uint32_t row_max) {
    return std::max<std::size_t>(row_max, RowGather::kEntries);
}

std::size_t entries_of(const ml::SparseRows& rows) {
    return static_cast<std::size_t>(rows.offsets[rows.row_count] - rows.offsets[0]);
}

}  // namespace

std::size_t RowGather::bytes(std::uint32_t entries_row_max) {
    return entries(entries_row_max) * (sizeof(std::uint32_t) + sizeof(float)) +
           kRowsMax * 2 * sizeof(float) + (kRowsMax + 1) * sizeof(std::int32_t);
}

void RowGather::use(std::span<std::byte> memory, std::uint32_t entries_row_max) {
    MILLRACE_CHECK_GE(memory.size(), bytes(entries_row_max));
    entries_max_ = entries(entries_row_max);
    slots_ = reinterpret_cast<std::uint32_t*>(memory.data());
    values_ = reinterpret_cast<float*>(slots_ + entries_max_);
    labels_ = values_ + entries_max_;
    scores_ = labels_ + kRowsMax;
    offsets_ = reinterpret_cast<std::int32_t*>(scores_ + kRowsMax);
    offsets_[0] = 0;
}

bool RowGather::fits(const ml::SparseRows& rows) const {
    if (entries_max_ == 0 || rows_ + rows.row_count > kRowsMax) return false;
    return static_cast<std::size_t>(offsets_[rows_]) + entries_of(rows) <= entries_max_;
}

void RowGather::add(const ml::SparseRows& rows) {
    MILLRACE_CHECK(fits(rows));
    const std::int32_t first = rows.offsets[0];
    const std::int32_t last = rows.offsets[rows.row_count];
    const std::int32_t at = offsets_[rows_];
    std::copy(rows.slots + first, rows.slots + last, slots_ + at);
    MILLRACE_CHECK(rows_ == 0 || has_values_ == (rows.values != nullptr));
    has_values_ = rows.values != nullptr;
    if (has_values_) std::copy(rows.values + first, rows.values + last, values_ + at);
    std::copy(rows.labels, rows.labels + rows.row_count, labels_ + rows_);
    for (std::uint32_t r = 0; r < rows.row_count; ++r) {
        offsets_[rows_ + 1 + r] = at + rows.offsets[r + 1] - first;
    }
    rows_ += rows.row_count;
}

ml::SparseRows RowGather::rows() const {
    return {.row_count = rows_,
            .offsets = offsets_,
            .slots = slots_,
            .values = has_values_ ? values_ : nullptr,
            .labels = labels_};
}

}  // namespace millrace::operators
