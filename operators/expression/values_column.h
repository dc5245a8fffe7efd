// Writes the values of an expression into arrays of a batch, in the layout of data::Column: null
// rows are zero or empty, and there is no bitmap when no row is null.
//
// Threads:    any.
// Failure:    none.

#pragma once

#include <cstddef>

#include "operators/expression/evaluator.h"
#include "runtime/data/derived_batch.h"

namespace millrace::operators {

// Bytes that write_values() takes from the batch, rounding included.
[[nodiscard]] std::size_t bytes_of_values(ValueKind kind, const ExpressionValues& values,
                                          std::size_t rows);

// REQUIRES: `batch` was made with bytes_of_values() for this.
void write_values(ValueKind kind, const ExpressionValues& values, std::size_t rows,
                  std::size_t column, data::DerivedBatch& batch);

}  // namespace millrace::operators
