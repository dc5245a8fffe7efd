// Makes batches out of a slot's memory.
//
// One BatchMemory per task. It takes segments from the task's slot, keeps a few returned ones for
// reuse (batches of one stream have about one size), and builds batches inside them.
//
// Threads:    the task's thread; the batches it makes may be read and dropped on any.
// Ownership:  borrows the pool, which must outlive every batch made here.
// Limits:     `bytes_reserved`: what the task was promised at deployment; within it allocation does
//             not fail. Beyond it the slot may refuse.
// Failure:    kResourceExhausted with the holders' names, from the slot.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "memory/memory_pool.h"
#include "memory/segment.h"
#include "runtime/base/status.h"
#include "runtime/data/batch.h"

namespace millrace::data {

class BatchMemory {
  public:
    BatchMemory(memory::MemoryPool& pool, memory::OwnerId owner);

    Result<memory::Segment> allocate(std::size_t bytes);

  private:
    friend class BatchPtr;
    friend class BatchBuilder;
    friend class DerivedBatch;

    memory::MemoryPool& pool_;
    const memory::OwnerId owner_;
};

// Builds a batch row by row, column-wise: decoders write a value into each column, then end the
// row.
class BatchBuilder {
  public:
    // `schema` without features columns.
    BatchBuilder(SchemaPtr schema, BatchMemory& memory);
    ~BatchBuilder();

    // Takes memory for the next batch; to be called (again) before the first row of each batch.
    Status begin();

    // Write the current row's value of `column`. Each column gets at most one value a row; a column
    // that got none is null. REQUIRES: the column's type fits.
    void set_bool(std::size_t column, bool value);
    void set_int32(std::size_t column, std::int32_t value);
    void set_int64(std::size_t column, std::int64_t value);  // int64 and timestamp.
    void set_float32(std::size_t column, float value);
    void set_float64(std::size_t column, double value);
    // Copies. Errors: kResourceExhausted when the slot refuses to grow the text area.
    Status set_text(std::size_t column, std::string_view value);  // string and bytes.
    // List elements are appended one by one, in order.
    Status append_element(std::size_t column, std::int64_t value);
    Status append_element(std::size_t column, double value);
    Status append_element(std::size_t column, std::string_view value);
    Status begin_list(std::size_t column);  // Marks an empty list as present (not null).

    void end_row(const Position& position);
    // Forgets what was written since the last end_row(): the record turned out to be bad.
    void undo_row();

    [[nodiscard]] std::size_t rows() const;
    // True when end_row() should be followed by finish(): kRowsMax rows or kBytesTarget bytes.
    [[nodiscard]] bool is_full() const;
    // Ends the batch and hands it out; begin() starts the next one. REQUIRES: rows() > 0, no open
    // row.
    BatchPtr finish();

    // Direct access for generated inner loops: the values array of a fixed-width column, kRowsMax
    // long.
    template <class T>
    [[nodiscard]] T* fixed_values(std::size_t column);
    // Marks the value of the current row as present, after writing it through fixed_values().
    void mark_present(std::size_t column);
};

// Builds a batch from another one by borrowing columns and adding some; rows and positions stay.
class DerivedBatch {
  public:
    // `bytes` for all new arrays together, each rounded up to 64.
    static Result<DerivedBatch> make(SchemaPtr schema, const BatchPtr& parent, BatchMemory& memory,
                                     std::size_t bytes);

    // Borrows the parent's column.
    void borrow(std::size_t column, std::size_t parent_column);
    // Takes a 64-byte aligned array out of the new memory. REQUIRES: the sum stays within `bytes`.
    template <class T>
    [[nodiscard]] std::span<T> array(std::size_t count);
    void set(std::size_t column, const Column& arrays);
    // REQUIRES: every column was borrowed or set.
    BatchPtr finish() &&;
};

// Copies the named rows (ascending) of a batch into a new one.
Result<BatchPtr> gather(const BatchPtr& batch, std::span<const std::uint16_t> rows,
                        BatchMemory& memory);

}  // namespace millrace::data
