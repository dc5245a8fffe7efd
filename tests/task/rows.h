// Rows for tests of tasks: made, and read back.
//
// A row's position says who made it (split) and as which one (ordinal); its event time is its
// ordinal, and its key follows from both.
//
// Threads:    one.
// Failure:    aborts.

#pragma once

#include <cstdint>
#include <vector>

#include "runtime/data/batch.h"
#include "runtime/data/batch_memory.h"

namespace millrace::test {

// key: int64, text: string.
[[nodiscard]] const data::SchemaPtr& row_schema();
[[nodiscard]] std::int64_t key_of(std::int32_t split, std::int64_t ordinal);
// Rows `first` to `first + count - 1` of a split.
[[nodiscard]] data::BatchPtr make_rows(data::BatchMemory& memory, std::int32_t split,
                                       std::int64_t first, std::int64_t count);
[[nodiscard]] std::vector<data::Position> positions_of(const data::Batch& batch);
// The ordinals alone.
[[nodiscard]] std::vector<std::int64_t> ordinals_of(const data::Batch& batch);

}  // namespace millrace::test
