// What stands at the start of a batch's memory: the Batch itself and what it keeps alive.
//
// Only the files that make batches include this.
//
//   segment, or the tail of a received network buffer:
//   +-------+------------------+------------------------------+
//   | Block | Column x columns | arrays, each 64-byte aligned |
//   +-------+------------------+------------------------------+
//       |-> grown: segments with arrays that outgrew this one
//       |-> parent: the batch whose columns are borrowed
//
// Threads:    one while building; then those of Batch.
// Ownership:  the Block holds the handle on the memory it lies in; BatchPtr::destroy() moves the
//             handle out before the Block dies.
// Failure:    none.

#pragma once

#include <cstddef>
#include <new>
#include <span>
#include <utility>

#include "memory/network_buffer.h"
#include "memory/segment.h"
#include "runtime/base/check.h"
#include "runtime/data/batch.h"
#include "runtime/data/batch_memory.h"

namespace millrace::data {

// Every array starts on a multiple of this in memory.
inline constexpr std::size_t kArrayAlignment = 64;

[[nodiscard]] constexpr std::size_t round_up(std::size_t bytes, std::size_t alignment) {
    return (bytes + alignment - 1) / alignment * alignment;
}

// An array that outgrew the batch's segment; stands at the start of a segment of its own.
struct GrownArray {
    memory::Segment segment;
    GrownArray* next = nullptr;

    // Destroys a list of them; their segments go back.
    static void destroy(GrownArray* first) noexcept;
};

struct BatchMemory::Block final : public Batch {
    memory::Segment segment;       // Where this and the arrays lie, one of them, or neither.
    memory::NetworkBuffer buffer;  // Of a received slice: the same.
    BatchPtr parent;
    GrownArray* grown = nullptr;

    // Bytes at the start of a segment in front of the arrays.
    static std::size_t header_bytes(std::size_t columns) {
        return round_up(sizeof(Block) + columns * sizeof(Column), kArrayAlignment);
    }
    // Constructs a Block at the start of `segment`, with a table of empty columns behind it.
    static Block* make(memory::Segment segment, SchemaPtr schema);
    // The same in memory that the caller will keep alive through `segment` or `buffer`.
    static Block* make_at(std::byte* place, SchemaPtr schema);

    // The table of columns, for whoever builds the batch.
    [[nodiscard]] std::span<Column> columns_to_fill() {
        return {reinterpret_cast<Column*>(this + 1), columns_.size()};
    }
    void set_rows(std::size_t rows, const PositionColumns& positions) {
        rows_ = rows;
        positions_ = positions;
    }
    // Counts the bytes; the last step of building, when everything else is set.
    void finish();
    // Hands the batch out. Once only.
    [[nodiscard]] BatchPtr share() { return BatchPtr(this); }

  private:
    friend class BatchMemory;
    friend class millrace::data::BatchPtr;
};

// Bytes of a column's arrays.
[[nodiscard]] std::size_t column_bytes(Type type, const Column& column, std::size_t rows);

}  // namespace millrace::data
