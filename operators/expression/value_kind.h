// What kinds of values an expression computes with, and how they meet.
//
// Threads:    values.
// Failure:    none.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "runtime/data/type.h"

namespace millrace::operators {

// What an instruction works on. Integers are widened to 64 bits when they are read, and floats too.
enum class ValueKind : std::uint8_t {
    kNull,  // Of the literal null: it fits every kind.
    kBool,
    kInteger,
    kFloat,
    kTimestamp,  // Milliseconds.
    kText,
    kBytes,
    kList,     // Lists and features: only whether they are null is read.
    kUnknown,  // Of a field whose type is not known, or behind a fault.
};

// What values of a column are read as.
[[nodiscard]] ValueKind kind_of(data::Kind kind);
// The type of a column with such values; null is like bool.
[[nodiscard]] data::Type type_of(ValueKind kind);
// For messages: "a number".
[[nodiscard]] std::string_view described(ValueKind kind);

[[nodiscard]] inline bool is_number(ValueKind kind) {
    return kind == ValueKind::kInteger || kind == ValueKind::kFloat;
}
[[nodiscard]] inline bool is_text(ValueKind kind) {
    return kind == ValueKind::kText || kind == ValueKind::kBytes;
}
// The kind that values of two kinds are compared or mixed in; nullopt when there is none.
[[nodiscard]] std::optional<ValueKind> common_kind(ValueKind a, ValueKind b);

}  // namespace millrace::operators
