// The memory of one column, as the feature compiler reads it: plain pointers in Arrow's layout.
//
// Whoever holds the batch fills these in; `ml/` neither knows the batch nor keeps a pointer beyond
// the call that it was handed to.
//
// Threads:    a value; what it points to must not change during the call.
// Ownership:  borrows everything.

#pragma once

#include <cstdint>

namespace millrace::ml {

enum class ColumnKind : std::uint8_t {
    kBool,       // `values` is a bitmap, least significant bit first.
    kInt32,      // std::int32_t
    kInt64,      // std::int64_t
    kFloat32,    // float
    kFloat64,    // double
    kString,     // `offsets` into the bytes at `values`; also for binary.
    kTimestamp,  // std::int64_t, milliseconds since the Unix epoch.
    kList,       // `offsets` into the rows of `child`, which is none of a list.
};

struct ColumnView {
    ColumnKind kind = ColumnKind::kInt64;
    // One bit a row, least significant first, 1 = valid; nullptr: every row is valid.
    const std::uint8_t* validity = nullptr;
    const void* values = nullptr;
    const std::int32_t* offsets = nullptr;  // kString and kList: one more than there are rows.
    const ColumnView* child = nullptr;      // kList
    // Row r of the batch is row r + first of these arrays, so that slices need no copy.
    std::uint32_t first = 0;
};

}  // namespace millrace::ml
