// Names and types of a batch's columns, in order. Shared by all batches of one stream.
//
// Threads:    immutable after construction; any thread may read.
// Ownership:  SchemaPtr shares it.
// Limits:     kFieldsMax fields.
// Failure:    make() refuses duplicate and empty names, and lists of lists.

#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/data/type.h"

namespace millrace::data {

struct Field {
    std::string name;
    Type type;

    bool operator==(const Field&) const = default;
};

class Schema;
using SchemaPtr = std::shared_ptr<const Schema>;

class Schema {
  public:
    static constexpr std::size_t kFieldsMax = 1024;

    // Errors: kInvalidArgument for an empty or repeated name, a list of lists, or more than
    // kFieldsMax fields.
    static Result<SchemaPtr> make(std::vector<Field> fields);

    [[nodiscard]] std::span<const Field> fields() const { return fields_; }
    [[nodiscard]] std::size_t size() const { return fields_.size(); }
    [[nodiscard]] std::optional<std::size_t> index_of(std::string_view name) const;
    // "a: int64, b: string".
    [[nodiscard]] std::string to_string() const;
    bool operator==(const Schema& other) const { return fields_ == other.fields_; }

  private:
    explicit Schema(std::vector<Field> fields) : fields_(std::move(fields)) {}

    const std::vector<Field> fields_;
};

}  // namespace millrace::data
