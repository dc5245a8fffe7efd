// What travels on a channel, in order: a batch of rows, or a control element in band.
//
// Threads:    values.
// Failure:    none.

#pragma once

#include <cstdint>
#include <utility>
#include <variant>

#include "runtime/data/batch.h"

namespace millrace::data {

// No row with an event time at or below this comes any more on this channel.
struct Watermark {
    std::int64_t event_time_ms = 0;

    bool operator==(const Watermark&) const = default;
};

// Cuts the stream for checkpoint `checkpoint_id`: rows in front belong to it, rows behind do not.
struct CheckpointBarrier {
    std::uint64_t checkpoint_id = 0;
    std::int64_t triggered_at_ms = 0;  // Wall time, for measuring only.

    bool operator==(const CheckpointBarrier&) const = default;
};

// The last element of a channel.
struct EndOfInput {
    bool operator==(const EndOfInput&) const = default;
};

using Element = std::variant<BatchPtr, Watermark, CheckpointBarrier, EndOfInput>;

}  // namespace millrace::data
