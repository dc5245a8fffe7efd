// The types of columns. The words are those of the job file.
//
// Threads:    values.
// Failure:    none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace millrace::data {

enum class Kind : std::uint8_t {
    kBool,
    kInt32,
    kInt64,
    kFloat32,
    kFloat64,
    kString,  // UTF-8.
    kBytes,
    kTimestampMs,  // Milliseconds since the Unix epoch, int64.
    kList,  // Of `Type::element`, which is neither kList nor kFeatures; elements are never null.
    kFeatures,  // A sparse vector: list of (slot uint32, value float32); all values 1 when absent.
};

struct Type {
    Kind kind = Kind::kBool;
    Kind element = Kind::kBool;  // Of kList only.

    bool operator==(const Type&) const = default;
};

// Bytes of one value of a fixed-width kind; 0 for kBool (one bit) and everything of variable width.
[[nodiscard]] std::size_t fixed_width(Kind kind);
// True for string, bytes, list and features, whose columns have offsets.
[[nodiscard]] bool has_offsets(Kind kind);
// True for string and bytes.
[[nodiscard]] bool is_text(Kind kind);
// As in the job file: "int64", "list<string>".
[[nodiscard]] std::string to_string(Type type);

}  // namespace millrace::data
