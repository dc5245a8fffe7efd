// A row's key as the bytes of a Kafka record's key: text as it is, numbers in decimal.
//
// Threads:    values.
// Ownership:  the view points into the column, or into the RowKey itself.
// Failure:    nothing for a null value.

#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "runtime/data/batch.h"
#include "runtime/data/type.h"

namespace millrace::operators {

// True for a column that can be a key: no lists, no features.
[[nodiscard]] bool can_be_key(data::Type type);

class RowKey {
  public:
    // The key of `row`; nothing when the value is null. The view lives as long as the batch and
    // this object do. REQUIRES: can_be_key(type).
    [[nodiscard]] std::optional<std::string_view> of(const data::Column& column, data::Type type,
                                                     std::size_t row);

  private:
    std::array<char, 32> digits_;
};

}  // namespace millrace::operators
