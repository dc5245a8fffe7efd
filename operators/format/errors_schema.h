// The stream `errors`: one row a bad record, with its original bytes and the reason.
//
// Threads:    any.
// Failure:    none.

#pragma once

#include <cstddef>

#include "runtime/data/schema.h"

namespace millrace::operators {

// The columns of errors_schema(), in order.
enum class ErrorsColumn : std::size_t {
    kCode,     // string: see kDecodeCodes and Rejection.
    kMessage,  // string
    kField,    // string; null when the error is not about one.
    kPayload,  // bytes; null for an over-long record and for a record without one.
    kKey,      // bytes; null when the record has none.
    kStep,     // string
    kSplit,    // string: topic and partition, or path.
    kOrdinal,  // int64: Kafka offset or line number.
    kTimeMs,   // timestamp_ms: when it was rejected.
};

[[nodiscard]] const data::SchemaPtr& errors_schema();

}  // namespace millrace::operators
