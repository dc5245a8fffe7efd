// Encodes rows as the bytes of one column: the `raw` format, for dead letters.
//
// Threads:    one.
// Ownership:  see RecordEncoder.
// Limits:     see RecordEncoder. A null is a record without bytes.
// Failure:    see RecordEncoder.

#pragma once

#include <memory>
#include <string_view>

#include "operators/format/record_encoder.h"
#include "runtime/base/status.h"
#include "runtime/data/schema.h"

namespace millrace::operators {

class RawEncoder : public RecordEncoder {
  public:
    // Errors: kInvalidArgument when `column` is not a string or bytes column of the schema.
    static Result<std::unique_ptr<RawEncoder>> make(const data::Schema& schema,
                                                    std::string_view column = "payload");
};

}  // namespace millrace::operators
