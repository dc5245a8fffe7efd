// Parses an expression into the order in which it is computed: every operator behind its operands.
//
//   a + b * 2 > c   ->   a  b  2  *  +  c  >
//
// From loose to tight: or; and; not; comparisons and `is null`, which do not chain; + -; * / %;
// the sign. Operators of one rank go from left to right.
//
// Threads:    any.
// Ownership:  the nodes do not refer to the text.
// Limits:     kExpressionBytesMax of text, kExpressionDepthMax, kExpressionNodesMax.
// Failure:    the first fault.

#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "operators/expression/expression_fault.h"

namespace millrace::operators {

inline constexpr std::size_t kExpressionBytesMax = 4096;
// Of parentheses, signs, `not`, and right operands inside each other.
inline constexpr std::size_t kExpressionDepthMax = 64;
// Fields, literals and operators together; coalesce counts once for each argument but the first.
inline constexpr std::size_t kExpressionNodesMax = 1000;

enum class Syntax : std::uint8_t {
    // Operands.
    kField,
    kNull,
    kBool,
    kInteger,
    kFloat,
    kText,
    // Of one operand.
    kNegate,
    kNot,
    kIsNull,
    kIsNotNull,
    // Of two.
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

struct SyntaxNode {
    Syntax what = Syntax::kNull;
    TextPlace place;           // Of the name, literal or operator itself.
    std::string text = {};     // kField: its name; kText: its bytes.
    std::int64_t integer = 0;  // kInteger; kBool: 0 or 1.
    double real = 0;           // kFloat.
};

// The operator as written: "+", "and".
[[nodiscard]] std::string_view spelling(Syntax what);

[[nodiscard]] std::expected<std::vector<SyntaxNode>, ExpressionFault> parse_expression(
    std::string_view text);

}  // namespace millrace::operators
