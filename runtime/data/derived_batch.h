// Makes a batch from another one: by borrowing its columns and adding some, or by copying rows.
//
// Threads:    one.
// Ownership:  the new batch keeps its parent alive while it borrows columns; a gathered batch does
//             not need its origin any more.
// Limits:     the parent's rows.
// Failure:    kResourceExhausted when the slot refuses memory.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/data/batch.h"

namespace millrace::data {

class BatchMemory;

// Builds a batch from another one by borrowing columns and adding some; rows and positions stay.
class DerivedBatch {
  public:
    // `bytes` for all new arrays together, each rounded up to 64.
    static Result<DerivedBatch> make(SchemaPtr schema, const BatchPtr& parent, BatchMemory& memory,
                                     std::size_t bytes);

    // Borrows the parent's column. REQUIRES: the types are the same.
    void borrow(std::size_t column, std::size_t parent_column);
    // Takes a 64-byte aligned array out of the new memory; its contents are unspecified. REQUIRES:
    // the sum stays within `bytes`.
    template <class T>
    [[nodiscard]] std::span<T> array(std::size_t count) {
        return {reinterpret_cast<T*>(take(count * sizeof(T))), count};
    }
    void set(std::size_t column, const Column& arrays);
    // REQUIRES: every column was borrowed or set.
    BatchPtr finish() &&;

  private:
    explicit DerivedBatch(BatchPtr batch) : batch_(std::move(batch)) {}

    [[nodiscard]] std::byte* take(std::size_t bytes);

    BatchPtr batch_;
    std::size_t used_ = 0;  // Of the segment.
};

// Copies the named rows (ascending) of a batch into a new one.
Result<BatchPtr> gather(const BatchPtr& batch, std::span<const std::uint16_t> rows,
                        BatchMemory& memory);
// Copies all rows of a batch into a new one that holds no more memory than it needs.
Result<BatchPtr> compact(const BatchPtr& batch, BatchMemory& memory);

}  // namespace millrace::data
