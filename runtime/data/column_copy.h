// Copies rows of a column to new arrays: what gather(), the wire encoder and the wire decoder
// share, so that there is one place that knows in which order a column's arrays lie.
//
// Threads:    any.
// Ownership:  none; the caller provides all memory.
// Failure:    none. REQUIRES: columns whose offsets are sound.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/data/batch.h"

namespace millrace::data {

// Rows of a batch: those listed, or a range where nothing is listed.
class RowSelection {
  public:
    static RowSelection range(std::size_t first, std::size_t count) {
        return {nullptr, first, count};
    }
    static RowSelection listed(std::span<const std::uint16_t> rows) {
        return {rows.data(), 0, rows.size()};
    }
    [[nodiscard]] RowSelection part(std::size_t first, std::size_t count) const {
        return rows_ == nullptr ? range(first_ + first, count)
                                : RowSelection{rows_ + first, 0, count};
    }

    [[nodiscard]] std::size_t size() const { return count_; }
    [[nodiscard]] bool is_range() const { return rows_ == nullptr; }
    // REQUIRES: is_range().
    [[nodiscard]] std::size_t first() const { return first_; }
    [[nodiscard]] std::size_t operator[](std::size_t i) const {
        return rows_ == nullptr ? first_ + i : rows_[i];
    }

  private:
    RowSelection(const std::uint16_t* rows, std::size_t first, std::size_t count)
        : rows_(rows), first_(first), count_(count) {}

    const std::uint16_t* rows_;
    std::size_t first_;
    std::size_t count_;
};

// How much a column's selected rows need; with the type and the row count it fixes all array sizes.
struct ColumnExtent {
    bool has_validity = false;
    bool has_weights = false;
    std::size_t elements = 0;  // Of lists and features.
    std::size_t bytes = 0;     // Of texts and text elements.
};

// A column's arrays as something to write to.
struct ColumnArrays {
    std::uint8_t* validity = nullptr;
    std::int32_t* offsets = nullptr;
    std::int32_t* element_offsets = nullptr;
    std::byte* values = nullptr;
    float* weights = nullptr;

    [[nodiscard]] Column view() const {
        return {validity, values, offsets, element_offsets, weights};
    }
};

[[nodiscard]] ColumnExtent measure_column(Type type, const Column& column, RowSelection rows);

// Lays a column's arrays out one behind the other from `base` + `at` on, in the order of
// ColumnArrays, each on a multiple of `alignment` from `base`; moves `at` behind the last. Without
// a `base` it only measures.
ColumnArrays place_column(Type type, const ColumnExtent& extent, std::size_t rows,
                          std::size_t alignment, std::byte* base, std::size_t& at);

// Copies the rows. REQUIRES: `to` was placed for their extent.
void copy_column(Type type, const Column& from, RowSelection rows, const ColumnArrays& to);

template <class T>
void copy_values(const T* from, RowSelection rows, T* to) {
    if (rows.is_range()) {
        __builtin_memcpy(to, from + rows.first(), rows.size() * sizeof(T));
        return;
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
        to[i] = from[rows[i]];
    }
}

}  // namespace millrace::data
