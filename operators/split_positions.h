// Where a source stands in each of its splits, as it is written into a snapshot.
//
// Threads:    values and pure functions.
// Ownership:  none.
// Limits:     kSplitsMax splits of one subtask.
// Failure:    kCorruption for a snapshot that is cut off or of an unknown version.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/state/snapshot.h"

namespace millrace::operators {

inline constexpr std::size_t kSplitsMax = 1 << 20;

struct SplitPosition {
    std::int32_t split = 0;
    std::int64_t next_ordinal = 0;  // Of the first record that was not emitted.
    std::int64_t next_byte = 0;     // Where it begins, for splits that need to know.

    bool operator==(const SplitPosition&) const = default;
};

// Section "positions": version 1, count (u32), then split (i32), next_ordinal and next_byte (i64)
// of each; little-endian.
Status write_positions(state::SnapshotWriter& writer, std::span<const SplitPosition> positions);
Result<std::vector<SplitPosition>> read_positions(state::SnapshotReader& reader);

}  // namespace millrace::operators
