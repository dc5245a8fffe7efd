// Hashes the key of each row of a batch, column by column.
//
// Equal values hash equally over the types that compare equal: all integers and timestamps as 64
// bits, both floats as 64 bits with one zero and one NaN. A null is a value of its own. Several
// columns are chained, so their order matters.
//
// Threads:    pure.
// Limits:     data::kRowsMax rows.
// Failure:    lists and features are no keys; the plan has refused them before.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/data/batch.h"

namespace millrace::task {

// REQUIRES: hashes.size() == batch.rows(); the columns exist and are no lists or features.
void hash_keys(const data::Batch& batch, std::span<const std::size_t> columns,
               std::span<std::uint32_t> hashes);

}  // namespace millrace::task
