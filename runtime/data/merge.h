// Copies rows of several batches into one: what puts tiny batches together again behind a split by
// key.
//
// Threads:    one.
// Ownership:  the new batch does not need its origins any more.
// Limits:     kRowsMax rows in all parts together.
// Failure:    kResourceExhausted when the slot refuses memory.

#pragma once

#include <cstdint>
#include <span>

#include "runtime/base/status.h"
#include "runtime/data/batch.h"

namespace millrace::data {

class BatchMemory;

// Some rows of a batch, ascending.
struct BatchRows {
    const Batch* batch = nullptr;
    std::span<const std::uint16_t> rows;
};

// The rows of all parts, in order. REQUIRES: all have the schema of the first, at least one row.
Result<BatchPtr> merge(std::span<const BatchRows> parts, BatchMemory& memory);

}  // namespace millrace::data
