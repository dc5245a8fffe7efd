// An expression that was checked: what the evaluator carries out, one instruction after the other,
// on a stack of columns.
//
// Threads:    values; any thread may read.
// Limits:     kExpressionNodesMax operands and operators; stack_height <= kExpressionDepthMax + 1.
// Failure:    none; compile_expression() makes sound programs only.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "operators/expression/value_kind.h"
#include "runtime/data/type.h"

namespace millrace::operators {

enum class Opcode : std::uint8_t {
    kLoadField,    // `column`
    kLoadLiteral,  // `integer`, `real` or `text`
    kToFloat,      // Of an integer.
    kNegate,
    kNot,
    kIsNull,
    kIsNotNull,
    kAdd,
    kSubtract,
    kMultiply,
    kDivide,
    kRemainder,
    kEqual,
    kNotEqual,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kAnd,
    kOr,
    kCoalesce,
};

struct Instruction {
    Opcode opcode = Opcode::kLoadLiteral;
    ValueKind kind = ValueKind::kNull;  // Of the operands; of a load, what is put on the stack.
    // kLoadField.
    std::size_t column = 0;
    data::Kind column_kind = data::Kind::kBool;
    // kLoadLiteral, by its kind.
    std::int64_t integer = 0;
    double real = 0;
    std::string text = {};
};

struct ExpressionProgram {
    std::vector<Instruction> instructions;
    std::size_t stack_height = 0;
    bool has_text = false;  // Some instruction puts text or bytes on the stack.
    ValueKind kind = ValueKind::kUnknown;
    data::Type type;
    // The expression is nothing but this column, of whatever type.
    std::optional<std::size_t> field;
};

}  // namespace millrace::operators
