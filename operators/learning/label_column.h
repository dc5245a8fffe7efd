// Reads a label column of any numeric type as floats.
//
// Threads:    any.
// Failure:    none: a null is NaN, which the table skips and counts.

#pragma once

#include <span>

#include "runtime/data/batch.h"

namespace millrace::operators {

// True for the types that a label may have: bool, integers and floats.
[[nodiscard]] bool is_label_type(data::Kind kind);

// REQUIRES: is_label_type(kind), labels.size() >= rows.
void read_labels(const data::Column& column, data::Kind kind, std::size_t rows,
                 std::span<float> labels);

}  // namespace millrace::operators
