// A batch of compiled rows: what the feature compiler writes and every learner reads.
//
// Row r has the entries [offsets[r], offsets[r + 1]) of `slots` and `values`. An entry with slot 0
// is the constant feature: it has a cell of its own (hashed features never get slot 0), value 1, is
// never regularised, and the compiler puts it first.
//
// Threads:    a value; the arrays must not change during the call that gets it.
// Ownership:  borrows everything.

#pragma once

#include <cstdint>

namespace millrace::ml {

constexpr std::uint32_t kBiasSlot = 0;

struct SparseRows {
    std::uint32_t row_count = 0;
    const std::int32_t* offsets = nullptr;  // row_count + 1 of them; the first need not be 0.
    const std::uint32_t* slots = nullptr;
    const float* values = nullptr;   // nullptr: every value is 1.
    const float* labels = nullptr;   // Training only.
    const float* weights = nullptr;  // Training only; nullptr: every weight is 1.

    // Rows [begin, begin + count) of these.
    [[nodiscard]] SparseRows slice(std::uint32_t begin, std::uint32_t count) const {
        return {.row_count = count,
                .offsets = offsets + begin,
                .slots = slots,
                .values = values,
                .labels = labels == nullptr ? nullptr : labels + begin,
                .weights = weights == nullptr ? nullptr : weights + begin};
    }
};

}  // namespace millrace::ml
