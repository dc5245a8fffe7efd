// An immutable columnar batch of rows: what flows between operators.
//
// Columns have Arrow's memory layout, so that loops walk contiguous arrays. A batch lives inside
// memory segments of the slot that made it: its header stands at the start of its own segment, so a
// batch costs no heap allocation. A batch may borrow columns of another batch (a step that adds a
// column does not copy the others); it then keeps that batch alive.
//
// Every row carries its position: the split (file or partition) it came from, its ordinal there,
// and the record's timestamp. Positions survive every step, since checkpoints, ordered training and
// tracing stand on them.
//
// Threads:    immutable; any thread may read. The last reference may be dropped on any thread.
// Ownership:  BatchPtr shares the batch. The producer's slot pays until the last reference is gone;
//             an operator that keeps rows beyond its step copies them into its own slot.
// Limits:     kRowsMax rows; kBytesTarget bytes, which one single row may exceed.
// Failure:    none; building fails (BatchBuilder, DerivedBatch), reading does not.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "runtime/data/schema.h"

namespace millrace::data {

inline constexpr std::size_t kRowsMax = 1024;
inline constexpr std::size_t kBytesTarget = 256 * 1024;

// One column's arrays; which of them are set follows from its type. Alignment: 8 bytes or more.
// The value of a null row is zero, and its text or list is empty.
struct Column {
    // Bit i (least significant first) set = row i is not null; nullptr = no row is null.
    const std::uint8_t* validity = nullptr;
    // Fixed width: rows; bool: bits; string, bytes: the bytes; list: the elements in the form of
    // their own kind; features: slots (uint32).
    const std::byte* values = nullptr;
    // Variable width: rows + 1 ascending offsets, the first is 0; of string and bytes into the
    // bytes, of list and features in elements.
    const std::int32_t* offsets = nullptr;
    // list<string>, list<bytes> only: elements + 1 ascending offsets into the bytes.
    const std::int32_t* element_offsets = nullptr;
    // Features only; nullptr = every value is 1.
    const float* weights = nullptr;

    template <class T>
    [[nodiscard]] const T* as() const {
        return reinterpret_cast<const T*>(values);
    }
    [[nodiscard]] bool is_null(std::size_t row) const {
        return validity != nullptr && ((validity[row >> 3] >> (row & 7)) & 1) == 0;
    }
    [[nodiscard]] bool bool_at(std::size_t row) const {
        return ((static_cast<std::uint8_t>(values[row >> 3]) >> (row & 7)) & 1) != 0;
    }
    [[nodiscard]] std::string_view text_at(std::size_t row) const {
        return {reinterpret_cast<const char*>(values) + offsets[row],
                static_cast<std::size_t>(offsets[row + 1] - offsets[row])};
    }
    // Of list<string> and list<bytes>; `element` counts from offsets[row].
    [[nodiscard]] std::string_view text_element_at(std::size_t element) const {
        return {reinterpret_cast<const char*>(values) + element_offsets[element],
                static_cast<std::size_t>(element_offsets[element + 1] - element_offsets[element])};
    }
};

// Where a row came from.
struct Position {
    std::int32_t split = 0;    // Index of the split in the job's plan; the same over restarts.
    std::int64_t ordinal = 0;  // Kafka offset, or line number from 0.
    // Of the record (Kafka's), not of the event; 0 where there is none.
    std::int64_t timestamp_ms = 0;

    bool operator==(const Position&) const = default;
};

// The positions of a batch, as columns.
struct PositionColumns {
    const std::int32_t* split = nullptr;
    const std::int64_t* ordinal = nullptr;
    const std::int64_t* timestamp_ms = nullptr;

    [[nodiscard]] Position at(std::size_t row) const {
        return {split[row], ordinal[row], timestamp_ms[row]};
    }
};

class Batch {
  public:
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

    [[nodiscard]] const SchemaPtr& schema() const { return schema_; }
    [[nodiscard]] std::size_t rows() const { return rows_; }
    [[nodiscard]] std::span<const Column> columns() const { return columns_; }
    [[nodiscard]] const Column& column(std::size_t index) const { return columns_[index]; }
    [[nodiscard]] const PositionColumns& positions() const { return positions_; }
    // Bytes that this batch holds in its own segments, borrowed columns excluded.
    [[nodiscard]] std::size_t own_bytes() const { return own_bytes_; }
    // Bytes of all columns that it can reach; what a channel's window counts.
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    // True when it, or a batch that it borrows from, lies in a received network buffer. The buffer
    // is the sender's credit: whoever keeps the batch beyond its step keeps a copy (compact()).
    [[nodiscard]] bool is_short_lived() const { return is_short_lived_; }

  private:
    friend class BatchPtr;
    friend class BatchMemory;  // Its Block constructs batches inside segments (batch_block.h).

    Batch() = default;
    ~Batch() = default;

    SchemaPtr schema_;
    std::span<const Column> columns_;
    PositionColumns positions_;
    std::size_t rows_ = 0;
    std::size_t own_bytes_ = 0;
    std::size_t bytes_ = 0;
    bool is_short_lived_ = false;
    mutable std::atomic<std::uint32_t> references_{1};
};

// Shares one Batch. Copying counts; moving does not.
class BatchPtr {
  public:
    BatchPtr() = default;
    BatchPtr(const BatchPtr& other) : batch_(other.batch_) {
        if (batch_ != nullptr) batch_->references_.fetch_add(1, std::memory_order_relaxed);
    }
    BatchPtr(BatchPtr&& other) noexcept : batch_(std::exchange(other.batch_, nullptr)) {}
    BatchPtr& operator=(BatchPtr other) noexcept {
        std::swap(batch_, other.batch_);
        return *this;
    }
    ~BatchPtr() {
        if (batch_ != nullptr && batch_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            destroy();
        }
    }

    [[nodiscard]] explicit operator bool() const { return batch_ != nullptr; }
    const Batch& operator*() const { return *batch_; }
    const Batch* operator->() const { return batch_; }
    [[nodiscard]] const Batch* get() const { return batch_; }

  private:
    friend class BatchMemory;

    explicit BatchPtr(const Batch* batch) : batch_(batch) {}  // Takes over one reference.
    void destroy() const noexcept;  // Gives the segments back; defined in batch_memory.cc.

    const Batch* batch_ = nullptr;
};

}  // namespace millrace::data
