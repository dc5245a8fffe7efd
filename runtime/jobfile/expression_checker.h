// Checks the expressions of `where` and `set`. The language is implemented elsewhere; validation
// is handed this interface, and without one it takes expressions as they are.
//
// Threads:    any; an implementation has no state that check() changes.
// Failure:    what is wrong with the text comes back as faults, never otherwise.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/jobfile/record_shape.h"

namespace millrace::jobfile {

struct ExpressionFault {
    std::size_t offset = 0;  // In bytes from the beginning of the text.
    std::size_t length = 1;
    std::string message = {};  // "there is no field bidd"
    std::string fix = {};
};

struct CheckedExpression {
    ValueType type = ValueType::kUnknown;  // Of the result; only without faults.
    bool list = false;
    std::vector<ExpressionFault> faults = {};
};

class ExpressionChecker {
  public:
    virtual ~ExpressionChecker() = default;
    // Checks `text` over records of that shape, whose fields and types are all known.
    [[nodiscard]] virtual CheckedExpression check(std::string_view text,
                                                  const RecordShape& input) const = 0;
};

}  // namespace millrace::jobfile
