// Random schemas and batches for property tests, beside a plain-text model of the same rows.
//
// The model is written down while the values are drawn, so that comparing it with what a batch
// says (text_of) checks the builder and whatever carried the batch, without using either.
//
// Threads:    one.
// Failure:    aborts when the slot has no memory.

#pragma once

#include <string>
#include <vector>

#include "runtime/base/random.h"
#include "runtime/data/batch.h"
#include "runtime/data/batch_memory.h"

namespace millrace::test {

// One line a row: position, then each cell. Floats stand as hexadecimal digits of their bits.
using RowTexts = std::vector<std::string>;

struct RandomBatch {
    data::BatchPtr batch;
    RowTexts rows;
};

// Up to `columns_max` columns of any type but features.
data::SchemaPtr random_schema(Random& random, std::size_t columns_max);
// `nulls` of 100 cells are null; texts have up to `text_max` bytes, lists up to `list_max`
// elements.
struct CellSizes {
    std::uint64_t nulls = 20;
    std::uint64_t text_max = 20;
    std::uint64_t list_max = 5;
};
RandomBatch random_batch(Random& random, const data::SchemaPtr& schema, std::size_t rows,
                         CellSizes sizes, data::BatchMemory& memory);
// What the batch says.
RowTexts text_of(const data::Batch& batch);

}  // namespace millrace::test
