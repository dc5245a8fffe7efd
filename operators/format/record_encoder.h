// Turns rows into the bytes of records: what a sink calls for its `format`.
//
// Threads:    one.
// Ownership:  writes into room that the sink owns.
// Limits:     never writes beyond the room.
// Failure:    none: every value of every type has an encoding.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/data/batch.h"

namespace millrace::operators {

class RecordEncoder {
  public:
    virtual ~RecordEncoder() = default;

    // Encodes rows of `batch` from `first_row` on, one after the other, without separators, until
    // `room` or `ends` has no room for another row. Writes where each row ends within `room` to
    // `ends` and returns how many rows it encoded; 0 when the first does not fit.
    virtual std::size_t encode(const data::Batch& batch, std::size_t first_row,
                               std::span<char> room, std::span<std::uint32_t> ends) = 0;
};

}  // namespace millrace::operators
