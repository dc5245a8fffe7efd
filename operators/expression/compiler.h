// Checks an expression against the fields of its input and makes a program of it.
//
// The rules of types stand in README.md.
//
// Threads:    any; pure functions.
// Ownership:  the program refers to neither text nor fields.
// Limits:     those of the parser.
// Failure:    faults: one of the parser, or all of the type check. One mistake is one fault: what
//             has no type because of it is not complained about again.

#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "operators/expression/expression_fault.h"
#include "operators/expression/program.h"
#include "runtime/base/status.h"
#include "runtime/data/schema.h"

namespace millrace::operators {

// A field of the input; its index in the span is the index of its column.
struct ExpressionField {
    std::string_view name;
    std::optional<data::Type> type;  // Absent: a fault elsewhere hides it.
};

struct CompiledExpression {
    std::vector<ExpressionFault> faults;
    // Without faults, and with all used fields' types known.
    std::optional<ExpressionProgram> program;
};

// REQUIRES: at most data::Schema::kFieldsMax fields.
[[nodiscard]] CompiledExpression compile_expression(std::string_view text,
                                                    std::span<const ExpressionField> fields,
                                                    NameSuggestion suggest = nullptr);

// For operators. `key`: where the text stands in the job file. Errors: kInvalidArgument with the
// first fault, its column and its fix.
[[nodiscard]] Result<ExpressionProgram> compile_expression_of(std::string_view key,
                                                              std::string_view text,
                                                              const data::Schema& input);

}  // namespace millrace::operators
