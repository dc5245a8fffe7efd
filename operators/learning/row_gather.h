// Copies rows that lie apart into one run, so that a learner can fetch ahead over all of them.
//
// Threads:    one owner.
// Ownership:  borrows its memory.
// Limits:     kRowsMax rows; kEntries entries, or as many as one row may have.
// Failure:    none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ml/sparse_rows.h"

namespace millrace::operators {

class RowGather {
  public:
    static constexpr std::uint32_t kRowsMax = 128;
    static constexpr std::size_t kEntries = std::size_t{32} << 10;  // 128 rows of 256 features.

    [[nodiscard]] static std::size_t bytes(std::uint32_t entries_row_max);
    // REQUIRES: memory.size() >= bytes(entries_row_max), 64-byte aligned.
    void use(std::span<std::byte> memory, std::uint32_t entries_row_max);

    void clear() { rows_ = 0; }
    [[nodiscard]] bool fits(const ml::SparseRows& rows) const;
    // Appends all of `rows`. REQUIRES: fits(rows); all rows added have values, or none has.
    void add(const ml::SparseRows& rows);
    [[nodiscard]] ml::SparseRows rows() const;
    // Room for the scores of rows().
    [[nodiscard]] std::span<float> scores() { return {scores_, rows_}; }

  private:
    std::int32_t* offsets_ = nullptr;
    std::uint32_t* slots_ = nullptr;
    float* values_ = nullptr;
    float* labels_ = nullptr;
    float* scores_ = nullptr;
    std::size_t entries_max_ = 0;
    std::uint32_t rows_ = 0;
    bool has_values_ = false;
};

}  // namespace millrace::operators
