// Makes the encoder that a sink's `format` in the job file asks for.
//
// Threads:    pure.
// Failure:    kInvalidArgument for a schema that the format cannot express.

#pragma once

#include <memory>

#include "operators/format/record_encoder.h"
#include "proto/job.pb.h"
#include "runtime/base/status.h"
#include "runtime/data/schema.h"

namespace millrace::operators {

// `raw` writes the payload of dead letters; everything else is JSON.
Result<std::unique_ptr<RecordEncoder>> make_encoder(proto::SinkFormat format,
                                                    const data::SchemaPtr& input);

}  // namespace millrace::operators
