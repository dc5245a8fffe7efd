// The built-in stream `errors`: one row a rejected record, with its reason and its bytes.
//
// Threads:    immutable.
// Failure:    none.

#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/data/schema.h"

namespace millrace::operators {

// The columns of errors_schema(), in order. A row's position is that of the rejected record.
enum class ErrorColumn : std::uint8_t {
    kStep,  // Text, like those that follow.
    kCode,
    kMessage,
    kField,
    kSplit,
    kKey,  // Bytes, like the payload.
    kPayload,
    kHeaderNames,   // list<string>, null where there are none, like the two that follow.
    kHeaderValues,  // list<bytes>, as long as the names.
    kHeaderNulls,   // list<int32>: which of the values are null and not empty.
};

[[nodiscard]] inline const data::SchemaPtr& errors_schema() {
    static const data::SchemaPtr schema = [] {
        const auto field = [](std::string name, data::Kind kind) {
            return data::Field{.name = std::move(name), .type = {.kind = kind}};
        };
        const auto list = [](std::string name, data::Kind element) {
            return data::Field{.name = std::move(name),
                               .type = {.kind = data::Kind::kList, .element = element}};
        };
        constexpr data::Kind kText = data::Kind::kString;
        constexpr data::Kind kBytes = data::Kind::kBytes;
        auto made = data::Schema::make(
            {field("step", kText), field("code", kText), field("message", kText),
             field("field", kText), field("split", kText), field("key", kBytes),
             field("payload", kBytes), list("header_names", kText), list("header_values", kBytes),
             list("header_nulls", data::Kind::kInt32)});
        MILLRACE_CHECK(made.has_value());
        return *std::move(made);
    }();
    return schema;
}

}  // namespace millrace::operators
