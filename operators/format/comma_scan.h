// Finds the commas of a record, so that the places of all fields are known before any is read.
//
// Threads:    any.
// Limits:     writes at most `limit` + kScanSlack positions; reads up to 63 bytes beyond the
//             record's end, which must be readable.
// Failure:    none.

#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::operators {

// Positions are written in groups; the last group may be longer than what it found.
inline constexpr std::size_t kScanSlack = 72;
inline constexpr std::size_t kScanFailed = ~std::size_t{0};

// Every comma. Returns how many, or some number above `limit`.
std::size_t find_commas(const char* record, std::size_t bytes, std::size_t limit,
                        std::uint32_t* positions);

// The commas outside of strings and of lists that do not nest. kScanFailed when there is a
// backslash, since then a quote need not be the end of a string.
std::size_t find_outer_commas(const char* record, std::size_t bytes, std::size_t limit,
                              std::uint32_t* positions);

}  // namespace millrace::operators
