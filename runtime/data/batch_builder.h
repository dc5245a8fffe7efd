// Builds batches row by row, column-wise: decoders write a value into each column, then end the
// row.
//
// Fixed-width values go straight to their place in the batch. Texts and list elements are appended
// to an area a column, sized by what the batches before needed; an area that is too small moves to
// a segment of its own, twice as large. Whether a value is present is one byte while building and
// one bit in the batch.
//
// Threads:    one.
// Ownership:  borrows the BatchMemory. The batches handed out do not refer to the builder.
// Limits:     row_capacity() rows; is_full() at kBytesTarget bytes, which the last row may pass;
//             2^31 - 1 bytes or elements in one column.
// Failure:    kResourceExhausted when the slot refuses memory; undo_row() and finish() then still
//             work.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "memory/segment.h"
#include "runtime/base/status.h"
#include "runtime/data/batch.h"
#include "runtime/data/schema.h"

namespace millrace::data {

class BatchMemory;
struct GrownArray;

class BatchBuilder {
  public:
    // REQUIRES: `schema` has no features columns.
    BatchBuilder(SchemaPtr schema, BatchMemory& memory);
    ~BatchBuilder();

    BatchBuilder(const BatchBuilder&) = delete;
    BatchBuilder& operator=(const BatchBuilder&) = delete;

    // Takes memory for the next batch; to be called (again) before the first row of each batch. A
    // second call for the same batch does nothing.
    Status begin();
    [[nodiscard]] bool has_begun() const { return !segment_.is_empty(); }

    // Write the current row's value of `column`. Each column gets at most one value a row; a column
    // that got none is null. REQUIRES: the column's type fits, has_begun() and !is_full().
    void set_bool(std::size_t column, bool value) { write(column, std::uint8_t{value}); }
    void set_int32(std::size_t column, std::int32_t value) { write(column, value); }
    // Of int64 and timestamp_ms.
    void set_int64(std::size_t column, std::int64_t value) { write(column, value); }
    void set_float32(std::size_t column, float value) { write(column, value); }
    void set_float64(std::size_t column, double value) { write(column, value); }
    // Copies. Of string and bytes. Errors: kResourceExhausted when the slot refuses to grow the
    // text area.
    Status set_text(std::size_t column, std::string_view value);
    // List elements are appended one by one, in order: integers, timestamps and bool; floats; text.
    Status append_element(std::size_t column, std::int64_t value);
    Status append_element(std::size_t column, double value);
    Status append_element(std::size_t column, std::string_view value);
    void begin_list(std::size_t column) { mark_present(column); }  // Null otherwise, not empty.

    void end_row(const Position& position) {
        splits_[rows_] = position.split;
        ordinals_[rows_] = position.ordinal;
        timestamps_ms_[rows_] = position.timestamp_ms;
        area_bytes_ = 0;
        for (const std::uint32_t i : with_offsets_) {
            ColumnState& state = columns_[i];
            const std::size_t end =
                state.type.kind == Kind::kList ? state.elements : state.bytes.used;
            state.offsets[rows_ + 1] = static_cast<std::int32_t>(end);
            area_bytes_ += state.bytes.used + state.element_offsets.used;
        }
        ++rows_;
    }
    // Forgets what was written since the last end_row(): the record turned out to be bad.
    void undo_row();

    [[nodiscard]] const SchemaPtr& schema() const { return schema_; }
    [[nodiscard]] std::size_t rows() const { return rows_; }
    // Rows that a batch of this schema can take: kRowsMax unless its rows are wide.
    [[nodiscard]] std::size_t row_capacity() const { return row_capacity_; }
    // True when end_row() should be followed by finish(): rows or bytes are at their limit.
    [[nodiscard]] bool is_full() const {
        return rows_ == row_capacity_ || rows_ * row_bytes_ + area_bytes_ >= kBytesTarget;
    }
    // Ends the batch and hands it out; begin() starts the next one. REQUIRES: rows() > 0, no open
    // row.
    BatchPtr finish();

    // Direct access for inner loops of decoders: the values of a fixed-width column, row_capacity()
    // long; of bool one byte each. Valid until finish().
    template <class T>
    [[nodiscard]] T* fixed_values(std::size_t column) {
        return reinterpret_cast<T*>(values_[column]);
    }
    // Marks the value of the current row as present, after writing it through fixed_values().
    void mark_present(std::size_t column) { presence_[column][rows_] = 1; }
    // The same for `count` rows that were ended before without it, from `first` on.
    void mark_present(std::size_t column, std::size_t first, std::size_t count) {
        std::memset(presence_[column] + first, 1, count);
    }
    // Whether the current row has a value, and what it is (of bool: std::uint8_t). REQUIRES: fixed
    // width.
    [[nodiscard]] bool is_present(std::size_t column) const {
        return presence_[column][rows_] != 0;
    }
    template <class T>
    [[nodiscard]] T current_value(std::size_t column) const {
        T value;
        std::memcpy(&value, values_[column] + rows_ * sizeof(T), sizeof(T));
        return value;
    }
    // Room for a text of `bytes` at the end of a text column, for who writes it in place: these
    // and kTextSlack more bytes may be scribbled over. Null when the area must grow first, which
    // set_text() does.
    [[nodiscard]] char* text_room(std::size_t column, std::size_t bytes) {
        Area& area = columns_[column].bytes;
        return area.capacity - area.used < bytes + kTextSlack
                   ? nullptr
                   : reinterpret_cast<char*>(area.data + area.used);
    }
    // Takes the first `bytes` of that room as the current row's text; the row still wants
    // mark_present().
    void take_text(std::size_t column, std::size_t bytes) { columns_[column].bytes.used += bytes; }
    static constexpr std::size_t kTextSlack = 64;

  private:
    // A growing array: text bytes, list elements, or the offsets of text elements.
    struct Area {
        std::byte* data = nullptr;
        std::size_t used = 0;
        std::size_t capacity = 0;
        std::size_t capacity_next = 0;  // What the next batch starts with.
        GrownArray* grown = nullptr;
    };
    struct ColumnState {
        Type type;
        std::uint8_t* bits = nullptr;      // Bool: where finish() packs the values to.
        std::uint8_t* validity = nullptr;  // Where finish() packs the presence to.
        std::int32_t* offsets = nullptr;
        Area bytes;                // Texts; elements of lists; bytes of text elements.
        Area element_offsets;      // Of text elements, with the leading zero.
        std::size_t elements = 0;  // Of all rows of a list column.
    };

    template <class T>
    void write(std::size_t column, T value) {
        std::memcpy(values_[column] + rows_ * sizeof(T), &value, sizeof(T));
        presence_[column][rows_] = 1;
    }
    template <class T>
    Status append_fixed(ColumnState& state, T value);
    Status append_bit(ColumnState& state, bool value);
    Status append_bytes(Area& area, const void* bytes, std::size_t count);
    Status grow(Area& area, std::size_t count);

    Status take_scratch();
    [[nodiscard]] std::size_t segment_bytes() const;
    void place_arrays();
    void reset_areas(ColumnState& state);
    [[nodiscard]] Column finish_column(std::size_t index);
    [[nodiscard]] BatchPtr shrink(BatchPtr batch);

    // Constant after construction.
    const SchemaPtr schema_;
    BatchMemory& memory_;
    std::size_t row_bytes_ = 0;  // Without texts and list elements.
    std::size_t row_capacity_ = 0;
    std::vector<std::uint32_t> with_offsets_;  // Columns.

    std::vector<ColumnState> columns_;
    // By column, apart from ColumnState, since every value written needs them.
    std::vector<std::uint8_t*> presence_;  // One byte a row.
    std::vector<std::byte*> values_;       // Of fixed width; bool: one byte a row.
    memory::Segment scratch_;              // Presence, and values of bool columns.
    memory::Segment segment_;              // Of the batch being built.
    std::int32_t* splits_ = nullptr;
    std::int64_t* ordinals_ = nullptr;
    std::int64_t* timestamps_ms_ = nullptr;
    std::size_t rows_ = 0;
    std::size_t area_bytes_ = 0;  // Used in all areas by ended rows.
};

}  // namespace millrace::data
