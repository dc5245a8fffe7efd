// Sends each row to the subtask that owns its key.
//
// Rows are not copied when they are placed: each lane lists which rows of which batches are for it,
// and copies them into one batch when enough have come, when the first has lingered, or when a
// barrier or the end must pass. So a thin stream over many subtasks does not become a stream of
// tiny batches. A batch whose rows all have one owner is handed on as it is.
//
// Threads:    the task's.
// Ownership:  borrows channels and memory; keeps placed batches alive until their rows are sent.
// Limits:     a lane holds at most data::kRowsMax rows; all lanes together keep at most
//             kHeldBytesMax bytes of batches, and one batch. One place() pushes at most two batches
//             to a channel, or three when kHeldBytesMax is passed.
// Failure:    kResourceExhausted when the slot has no memory for the copies.

#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/data/batch_memory.h"
#include "runtime/task/output_edge.h"

namespace millrace::task {

struct KeyHashOptions {
    std::vector<std::size_t> key_columns;
    // How long the first of a few rows waits for others.
    Duration linger = std::chrono::milliseconds(2);
};

inline constexpr std::size_t kHeldBytesMax = std::size_t{4} << 20;

// One channel a subtask, in order. REQUIRES: at most kKeyGroups channels; at least one key column,
// none a list or features.
std::unique_ptr<OutputEdge> make_key_hash_edge(const std::vector<OutputChannel*>& channels,
                                               data::BatchMemory& memory, KeyHashOptions options);

}  // namespace millrace::task
