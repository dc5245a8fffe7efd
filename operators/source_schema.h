// What a source's node in the job file says about its records: their schema, which of them are bad,
// and what it takes to read lines of their greatest length.
//
// Threads:    pure.
// Failure:    kInvalidArgument naming the source.

#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "operators/format/decode_rules.h"
#include "operators/format/record_decoder.h"
#include "operators/registry.h"
#include "runtime/data/schema.h"

namespace millrace::proto {
class Job;
class Source;
}  // namespace millrace::proto

namespace millrace::operators {

// The schema that the source names. Errors: kInvalidArgument when it names none.
Result<data::SchemaPtr> declared_schema(const proto::Job& job, const proto::Source& source);

// Labels of train steps that read the source directly, and its event time, must not be null: such a
// record is refused here, where its original bytes still are.
[[nodiscard]] DecodeRules decode_rules(const proto::Job& job, const proto::Source& source);

// The schemas of a source whose records are decoded.
Result<OutputSchemas> decoded_source_schemas(const OperatorRequest& request);

// The scratch memory of a source that reads lines: its line buffer.
Result<std::vector<std::size_t>> line_scratch(const OperatorRequest& request);

}  // namespace millrace::operators
