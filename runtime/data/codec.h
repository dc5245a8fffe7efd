// Carries elements between TaskManagers: batches as slices in network buffers, control elements as
// events of a few bytes.
//
// A slice is a small batch that fits one buffer, arrays aligned, so that the receiver reads it in
// place: its columns point into the received buffer, whose unused tail takes the batch's header. A
// row that no buffer can hold is cut over several and put together on arrival. README.md has the
// grammar and an example. The schema is not sent; both ends know it.
//
//   while (!encoder.is_done()) {
//       auto buffer = pool.try_lend();
//       if (!buffer) return Progress::kBlocked;  // Continue here later.
//       MILLRACE_TRY(encoder.encode_next(*buffer));
//       ...send
//   }
//
// Threads:    one owner each.
// Ownership:  the encoder keeps the batch while it encodes; a decoded batch keeps its buffer. Both
//             borrow the BatchMemory.
// Limits:     Limits below; kRowsMax rows a slice.
// Failure:    kCorruption for bytes that are no slice of this schema; nothing is read out of
//             bounds. kResourceExhausted for a row over its limit, or without memory for it.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "memory/network_buffer.h"
#include "memory/segment.h"
#include "runtime/base/status.h"
#include "runtime/data/batch_memory.h"
#include "runtime/data/column_copy.h"
#include "runtime/data/element.h"

namespace millrace::data {

struct CodecLimits {
    // Of every network buffer at both ends.
    std::size_t buffer_bytes = std::size_t{32} << 10;
    // Of one row as a slice. A JSON record of 1 MiB grows at most fourfold (a list of one-digit
    // int64), and headers come to it.
    std::size_t row_bytes_max = (std::size_t{4} << 20) + (std::size_t{64} << 10);
};

class SliceEncoder {
  public:
    SliceEncoder(SchemaPtr schema, BatchMemory& memory, const CodecLimits& limits);

    // Takes all rows, or the listed ones, of the next batch. REQUIRES: is_done(), the batch has
    // this schema, at most kRowsMax rows.
    void start(BatchPtr batch);
    void start(BatchPtr batch, std::span<const std::uint16_t> rows);
    // True when everything that was started stands in buffers.
    [[nodiscard]] bool is_done() const { return !batch_; }
    // Fills one buffer. REQUIRES: !is_done(), buffer.capacity() >= limits.buffer_bytes. Errors:
    // kResourceExhausted, for a row over the limit or when the slot has no room to cut it.
    Status encode_next(memory::NetworkBuffer& buffer);

  private:
    void start_selected(BatchPtr batch, std::size_t rows);
    [[nodiscard]] RowSelection selection() const;
    void measure_fixed();
    void measure_rows(Type type, const Column& column);
    [[nodiscard]] std::size_t bytes_bound(std::size_t rows) const;
    [[nodiscard]] std::size_t rows_that_fit() const;
    // Lays out the next `rows`; writes them unless `to` is null. Returns the bytes.
    std::size_t lay_out(std::size_t rows, std::byte* to) const;
    Status begin_parts();
    void write_part(memory::NetworkBuffer& buffer);
    void advance(std::size_t rows);

    // Constant after construction.
    const SchemaPtr schema_;
    BatchMemory& memory_;
    const CodecLimits limits_;
    const std::size_t slice_bytes_max_;  // So that the receiver's header fits behind it.

    BatchPtr batch_;  // Null: nothing to do.
    std::vector<std::uint16_t> listed_;
    bool is_listed_ = false;
    std::size_t rows_ = 0;  // Of the selection.
    std::size_t row_ = 0;   // The next of them to encode.
    // For the search for how many rows fit: upper bounds.
    std::size_t bytes_fixed_ = 0;    // Headers, first offsets, and what rounding may cost.
    std::size_t bytes_per_row_ = 0;  // Fixed-width values, offsets, positions.
    std::size_t bitmaps_ = 0;
    std::vector<std::uint64_t> bytes_before_;  // Variable-width bytes in front of each row.

    memory::Segment part_slice_;  // The slice that is being cut.
    std::size_t part_bytes_ = 0;
    std::size_t part_at_ = 0;
    std::uint16_t part_index_ = 0;
};

class SliceDecoder {
  public:
    SliceDecoder(SchemaPtr schema, BatchMemory& memory, const CodecLimits& limits);

    // Reads one buffer. nullopt: it was a part of a row whose other parts are still to come. Takes
    // the buffer over unless the slot refuses memory (kResourceExhausted): then the same buffer may
    // be given again. After kCorruption the channel is of no more use.
    Result<std::optional<BatchPtr>> decode(memory::NetworkBuffer& buffer);

  private:
    Result<std::optional<BatchPtr>> decode_slice(memory::NetworkBuffer& buffer);
    Result<std::optional<BatchPtr>> decode_part(memory::NetworkBuffer& buffer);
    Status begin_parts(std::uint32_t bytes_total);

    const SchemaPtr schema_;
    BatchMemory& memory_;
    const CodecLimits limits_;

    memory::Segment
        part_slice_;  // The slice that is being put together, behind room for its Block.
    std::size_t part_bytes_ = 0;
    std::size_t part_at_ = 0;
    std::uint16_t part_index_ = 0;
};

// A control element as bytes.
struct EventBytes {
    std::array<std::byte, 18> bytes{};
    std::size_t size = 0;

    [[nodiscard]] std::span<const std::byte> span() const { return std::span(bytes).first(size); }
};

// REQUIRES: `element` is not a batch.
[[nodiscard]] EventBytes encode_event(const Element& element);
// Errors: kCorruption.
Result<Element> decode_event(std::span<const std::byte> bytes);

}  // namespace millrace::data
