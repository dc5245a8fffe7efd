// The bytes of a slice: what a batch looks like in network buffers. README.md has the grammar.
//
// Threads:    values.
// Limits:     see SliceEncoder.
// Failure:    none; the decoder judges what it reads.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "runtime/data/batch_block.h"

namespace millrace::data {

static_assert(std::endian::native == std::endian::little, "slices are little-endian in memory");

inline constexpr std::uint8_t kSliceVersion = 1;
// Every array of a slice starts on a multiple of this from the slice's first byte.
inline constexpr std::size_t kSliceAlignment = 8;

enum class BufferKind : std::uint8_t {
    kSlice = 1,  // A whole slice.
    kPart = 2,   // A part of a slice of one row that no buffer can hold.
};

struct SliceHeader {
    std::uint8_t version = kSliceVersion;
    BufferKind kind = BufferKind::kSlice;
    std::uint16_t columns = 0;
    std::uint32_t rows = 0;
    std::uint32_t bytes = 0;  // Of the slice, this header included.
    std::uint32_t reserved = 0;
};
static_assert(sizeof(SliceHeader) == 16);

// Follows the SliceHeader once a column.
struct ColumnHeader {
    static constexpr std::uint32_t kHasValidity = 1;
    static constexpr std::uint32_t kHasWeights = 2;

    std::uint32_t flags = 0;
    std::uint32_t elements = 0;  // Of lists and features, otherwise 0.
    std::uint32_t bytes = 0;     // Of texts and text elements, otherwise 0.
};
static_assert(sizeof(ColumnHeader) == 12);

struct PartHeader {
    std::uint8_t version = kSliceVersion;
    BufferKind kind = BufferKind::kPart;
    std::uint16_t index = 0;        // Counts the parts of one slice from 0.
    std::uint32_t bytes_total = 0;  // Of the whole slice.
};
static_assert(sizeof(PartHeader) == 8);

// Where the arrays begin.
[[nodiscard]] constexpr std::size_t slice_header_bytes(std::size_t columns) {
    return round_up(sizeof(SliceHeader) + columns * sizeof(ColumnHeader), kSliceAlignment);
}

// What a receiver wants free behind a slice, in the same buffer, for its Block. Of very wide
// schemas that would be too much; their Block gets a page of its own.
[[nodiscard]] inline std::size_t tail_bytes(std::size_t columns, std::size_t buffer_bytes) {
    const std::size_t tail = BatchMemory::Block::header_bytes(columns) + kArrayAlignment;
    return tail <= buffer_bytes / 4 ? tail : 0;
}

}  // namespace millrace::data
