#include "operators/format/errors_schema.h"

namespace millrace::operators {

const data::SchemaPtr& errors_schema() {
    using data::Kind;
    static const data::SchemaPtr schema = *data::Schema::make({
        {"code", {Kind::kString, {}}},
        {"message", {Kind::kString, {}}},
        {"field", {Kind::kString, {}}},
        {"payload", {Kind::kBytes, {}}},
        {"key", {Kind::kBytes, {}}},
        {"step", {Kind::kString, {}}},
        {"split", {Kind::kString, {}}},
        {"ordinal", {Kind::kInt64, {}}},
        {"time_ms", {Kind::kTimestampMs, {}}},
    });
    return schema;
}

}  // namespace millrace::operators
