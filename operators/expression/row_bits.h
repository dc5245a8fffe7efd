// One bit for each row of a batch, in words of 64: whether a value is there, and whether it is
// true. Bits behind the last row are zero.
//
// Threads:    any.
// Limits:     data::kRowsMax rows.
// Failure:    none.

#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "runtime/data/batch.h"

namespace millrace::operators {

static_assert(std::endian::native == std::endian::little, "columns' bitmaps are read as words");
inline constexpr std::size_t kRowsPerWord = 64;
inline constexpr std::size_t kRowWords = data::kRowsMax / kRowsPerWord;

using RowBits = std::span<std::uint64_t, kRowWords>;

// Sets the bits of all rows.
inline void set_rows(std::size_t rows, RowBits bits) {
    std::ranges::fill(bits, 0);
    std::fill_n(bits.begin(), rows / kRowsPerWord, ~std::uint64_t{0});
    if (rows % kRowsPerWord != 0)
        bits[rows / kRowsPerWord] = (std::uint64_t{1} << (rows % kRowsPerWord)) - 1;
}

// Reads a column's bitmap; what stands behind the last row in its last byte may be anything.
inline void read_rows(const void* bitmap, std::size_t rows, RowBits bits) {
    std::ranges::fill(bits, 0);
    std::memcpy(bits.data(), bitmap, (rows + 7) / 8);
    if (rows % kRowsPerWord != 0)
        bits[rows / kRowsPerWord] &= (std::uint64_t{1} << (rows % kRowsPerWord)) - 1;
}

// Sets the bits of the rows that pass `test(row)`.
template <class Test>
void pack_rows(std::size_t rows, RowBits bits, Test test) {
    for (std::size_t word = 0; word < kRowWords; ++word) {
        const std::size_t first = word * kRowsPerWord;
        const std::size_t count = first < rows ? std::min(rows - first, kRowsPerWord) : 0;
        std::uint64_t packed = 0;
        for (std::size_t i = 0; i < count; ++i) packed |= std::uint64_t{test(first + i)} << i;
        bits[word] = packed;
    }
}

inline std::size_t count_rows(std::span<const std::uint64_t, kRowWords> bits) {
    std::size_t count = 0;
    for (const std::uint64_t word : bits) count += static_cast<std::size_t>(std::popcount(word));
    return count;
}

inline bool has_row(std::span<const std::uint64_t, kRowWords> bits, std::size_t row) {
    return ((bits[row / kRowsPerWord] >> (row % kRowsPerWord)) & 1) != 0;
}

}  // namespace millrace::operators
