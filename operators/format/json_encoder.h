// Encodes rows as JSON objects, one a record, with the columns in the schema's order.
//
// A dot in a column's name opens a nested object: `predictions.ctr.score` and
// `predictions.ctr.version` become {"predictions":{"ctr":{"score":0.0913,"version":412}}}. Null is
// written as null, so that all records have one shape. Floats have the fewest digits that read back
// to the same value; non-finite ones become null. Text that is not UTF-8 has its bad bytes replaced
// by U+FFFD; bytes columns are base64.
//
// Threads:    one.
// Ownership:  see RecordEncoder.
// Limits:     see RecordEncoder; a row may be put off with up to 32 bytes of room to spare.
// Failure:    see RecordEncoder.

#pragma once

#include <memory>

#include "operators/format/record_encoder.h"
#include "runtime/base/status.h"
#include "runtime/data/schema.h"

namespace millrace::operators {

class JsonEncoder : public RecordEncoder {
  public:
    // Errors: kInvalidArgument when a name is both a value and an object (`a` and `a.b`), has an
    // empty part, or names a features column.
    static Result<std::unique_ptr<JsonEncoder>> make(const data::SchemaPtr& schema);
};

}  // namespace millrace::operators
