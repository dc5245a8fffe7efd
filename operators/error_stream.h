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

// The columns of errors_schema(), in order. All are text but kKey and kPayload, which are bytes.
// A row's position is that of the rejected record.
enum class ErrorColumn : std::uint8_t { kStep, kCode, kMessage, kField, kSplit, kKey, kPayload };

[[nodiscard]] inline const data::SchemaPtr& errors_schema() {
    static const data::SchemaPtr schema = [] {
        const auto field = [](std::string name, data::Kind kind) {
            return data::Field{.name = std::move(name), .type = {.kind = kind}};
        };
        constexpr data::Kind kText = data::Kind::kString;
        constexpr data::Kind kBytes = data::Kind::kBytes;
        auto made =
            data::Schema::make({field("step", kText), field("code", kText), field("message", kText),
                                field("field", kText), field("split", kText), field("key", kBytes),
                                field("payload", kBytes)});
        MILLRACE_CHECK(made.has_value());
        return *std::move(made);
    }();
    return schema;
}

}  // namespace millrace::operators
