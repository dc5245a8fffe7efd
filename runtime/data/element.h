// What travels on a channel, in order: a batch of rows, or a control element in band.
//
// Threads:    values.
// Failure:    none.

#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <variant>

#include "runtime/data/batch.h"

namespace millrace::data {

// No event time is known yet.
inline constexpr std::int64_t kNoEventTime = std::numeric_limits<std::int64_t>::min();

// No row with an event time at or below this comes any more on this channel. An idle channel has
// nothing for a while: it holds the others back no more, until a watermark that is not idle.
struct Watermark {
    std::int64_t event_time_ms = 0;
    bool is_idle = false;

    bool operator==(const Watermark&) const = default;
};

// What a channel says with `later` behind `earlier`: event time never falls, and the last word on
// idleness counts.
[[nodiscard]] constexpr Watermark merged(const Watermark& earlier, const Watermark& later) {
    return {.event_time_ms = std::max(earlier.event_time_ms, later.event_time_ms),
            .is_idle = later.is_idle};
}

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
