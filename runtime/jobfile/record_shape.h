// The fields of the records of one stream, as the validator knows them.
//
// Threads:    values.
// Limits:     those of the schemas.
// Failure:    none.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::jobfile {

// The types of a schema, with the numbers of proto::ScalarType.
enum class ValueType : std::uint8_t {
    kUnknown = 0,
    kBool = 1,
    kInt32 = 2,
    kInt64 = 3,
    kFloat32 = 4,
    kFloat64 = 5,
    kString = 6,
    kBytes = 7,
    kTimestampMs = 8,
};

// The word in a job file: "int64", "list<string>".
[[nodiscard]] std::string type_word(ValueType type, bool list);

struct ShapeField {
    std::string name;
    ValueType type = ValueType::kUnknown;
    bool list = false;

    friend bool operator==(const ShapeField&, const ShapeField&) = default;
};

struct RecordShape {
    std::string described;  // "schema impression", for messages.
    std::vector<ShapeField> fields = {};
    // No schema says which fields there are: any name may be one, typed by its use.
    bool open = false;

    [[nodiscard]] const ShapeField* find(std::string_view name) const;
};

}  // namespace millrace::jobfile
