#include "operators/expression/compiler.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "operators/expression/parser.h"
#include "runtime/base/check.h"

namespace millrace::operators {
namespace {

std::string fix_of_mismatch(ValueKind a, ValueKind b) {
    if (a == ValueKind::kList || b == ValueKind::kList)
        return "a list knows only is null and is not null";
    if ((a == ValueKind::kText && is_number(b)) || (b == ValueKind::kText && is_number(a)))
        return "write a number that is text in double quotes: \"5\"";
    if (a == ValueKind::kTimestamp || b == ValueKind::kTimestamp)
        return "write a timestamp as an integer: milliseconds since 1970";
    if (a == ValueKind::kBool || b == ValueKind::kBool) return "write true or false";
    return "use two values of one type";
}

Opcode opcode_of(Syntax what) {
    switch (what) {
        case Syntax::kNegate:
            return Opcode::kNegate;
        case Syntax::kNot:
            return Opcode::kNot;
        case Syntax::kIsNull:
            return Opcode::kIsNull;
        case Syntax::kIsNotNull:
            return Opcode::kIsNotNull;
        case Syntax::kAdd:
            return Opcode::kAdd;
        case Syntax::kSubtract:
            return Opcode::kSubtract;
        case Syntax::kMultiply:
            return Opcode::kMultiply;
        case Syntax::kDivide:
            return Opcode::kDivide;
        case Syntax::kRemainder:
            return Opcode::kRemainder;
        case Syntax::kEqual:
            return Opcode::kEqual;
        case Syntax::kNotEqual:
            return Opcode::kNotEqual;
        case Syntax::kLess:
            return Opcode::kLess;
        case Syntax::kLessEqual:
            return Opcode::kLessEqual;
        case Syntax::kGreater:
            return Opcode::kGreater;
        case Syntax::kGreaterEqual:
            return Opcode::kGreaterEqual;
        case Syntax::kAnd:
            return Opcode::kAnd;
        case Syntax::kOr:
            return Opcode::kOr;
        case Syntax::kCoalesce:
            return Opcode::kCoalesce;
        default:
            return Opcode::kLoadLiteral;
    }
}

bool takes_two(Opcode opcode) { return opcode >= Opcode::kAdd; }
bool loads(Opcode opcode) { return opcode == Opcode::kLoadField || opcode == Opcode::kLoadLiteral; }

// The columns on the stack after each instruction, at most.
std::size_t stack_height(std::span<const Instruction> instructions) {
    std::size_t height = 0;
    std::size_t highest = 0;
    for (const Instruction& instruction : instructions) {
        if (loads(instruction.opcode)) ++height;
        if (takes_two(instruction.opcode)) --height;
        highest = std::max(highest, height);
    }
    MILLRACE_CHECK_EQ(height, std::size_t{1});
    MILLRACE_CHECK_LE(highest, kExpressionDepthMax + 1);
    return highest;
}

class Compiler {
  public:
    Compiler(std::span<const ExpressionField> fields, NameSuggestion suggest)
        : fields_(fields), suggest_(suggest) {}

    CompiledExpression compile(std::vector<SyntaxNode> nodes) {
        for (SyntaxNode& node : nodes) add(node);
        const Operand result = pop();
        if (result.kind == ValueKind::kNull && faults_.empty())
            fault(result.place, "null alone has no type", "write a value with a type, or a field");
        CompiledExpression compiled;
        compiled.faults = std::move(faults_);
        if (compiled.faults.empty() && result.kind != ValueKind::kUnknown && !has_unknown_)
            compiled.program = finished(result.kind);
        return compiled;
    }

  private:
    // What stands on the stack when the program has come this far.
    struct Operand {
        ValueKind kind = ValueKind::kUnknown;
        TextPlace place;
        std::size_t first = 0;  // The first of the instructions that compute it.
    };

    void add(SyntaxNode& node) {
        switch (node.what) {
            case Syntax::kField:
                return add_field(node);
            case Syntax::kNull:
                return add_literal(ValueKind::kNull, node);
            case Syntax::kBool:
                return add_literal(ValueKind::kBool, node);
            case Syntax::kInteger:
                return add_literal(ValueKind::kInteger, node);
            case Syntax::kFloat:
                return add_literal(ValueKind::kFloat, node);
            case Syntax::kText:
                return add_literal(ValueKind::kText, node);
            case Syntax::kNegate:
                return add_negation(node);
            case Syntax::kNot:
                return add_not(node);
            case Syntax::kIsNull:
            case Syntax::kIsNotNull:
                return add_null_question(node);
            case Syntax::kAnd:
            case Syntax::kOr:
                return add_logic(node);
            case Syntax::kCoalesce:
                return add_coalesce();
            default:
                return node.what >= Syntax::kEqual ? add_comparison(node) : add_arithmetic(node);
        }
    }

    // ------------------------------------------------------------------ operands

    void add_field(const SyntaxNode& node) {
        const auto found =
            std::ranges::find(fields_, std::string_view(node.text), &ExpressionField::name);
        const bool known = found != fields_.end();
        if (!known)
            fault(node.place, fmt::format("there is no field \"{}\"", node.text),
                  fix_of_name(node.text));
        const bool is_typed = known && found->type.has_value();
        has_unknown_ = has_unknown_ || !is_typed;
        const ValueKind kind = is_typed ? kind_of(found->type->kind) : ValueKind::kUnknown;
        push(kind, node.place);
        program_.push_back({.opcode = Opcode::kLoadField,
                            .kind = kind,
                            .column = static_cast<std::size_t>(found - fields_.begin()),
                            .column_kind = is_typed ? found->type->kind : data::Kind::kBool});
    }

    [[nodiscard]] std::string fix_of_name(std::string_view written) const {
        std::vector<std::string_view> names;
        for (const ExpressionField& field : fields_) names.push_back(field.name);
        if (suggest_ != nullptr) return suggest_(written, names);
        return fmt::format("the fields are: {}", fmt::join(names, ", "));
    }

    void add_literal(ValueKind kind, SyntaxNode& node) {
        push(kind, node.place);
        program_.push_back({.opcode = Opcode::kLoadLiteral,
                            .kind = kind,
                            .integer = node.integer,
                            .real = node.real,
                            .text = std::move(node.text)});
    }

    // ------------------------------------------------------------------ operators

    void add_negation(const SyntaxNode& node) {
        const Operand operand = pop();
        if (!require_number(node, operand)) return push_result(ValueKind::kUnknown, operand);
        push_result(operand.kind, operand);
        emit(Opcode::kNegate, operand.kind);
    }

    void add_arithmetic(const SyntaxNode& node) {
        const Operand right = pop();
        const Operand left = pop();
        if (const auto time = kind_of_time(node.what, left.kind, right.kind)) {
            push_result(*time, left, right);
            return emit(opcode_of(node.what), ValueKind::kInteger);
        }
        const bool left_fits = require_number(node, left);
        if (!require_number(node, right) || !left_fits)
            return push_result(ValueKind::kUnknown, left, right);
        const ValueKind kind = *common_kind(left.kind, right.kind);
        convert(left, right, kind);
        push_result(kind, left, right);
        emit(opcode_of(node.what), kind);
    }

    // timestamp - timestamp is an integer; timestamp + or - integer is a timestamp.
    static std::optional<ValueKind> kind_of_time(Syntax what, ValueKind left, ValueKind right) {
        constexpr auto kTime = ValueKind::kTimestamp;
        constexpr auto kInteger = ValueKind::kInteger;
        if (what == Syntax::kSubtract && left == kTime && right == kTime) return kInteger;
        if (what == Syntax::kSubtract && left == kTime && right == kInteger) return kTime;
        if (what == Syntax::kAdd && left == kTime && right == kInteger) return kTime;
        if (what == Syntax::kAdd && left == kInteger && right == kTime) return kTime;
        return std::nullopt;
    }

    // False without a fault where the kind is unknown.
    bool require_number(const SyntaxNode& node, const Operand& operand) {
        if (is_number(operand.kind)) return true;
        if (operand.kind == ValueKind::kUnknown) return false;
        const std::string_view word = spelling(node.what);
        if (operand.kind == ValueKind::kNull) {
            fault(operand.place, fmt::format("\"{}\" with null is always null", word),
                  "remove it, or use coalesce(field, 0)");
            return false;
        }
        fault(operand.place,
              fmt::format("\"{}\" needs a number, not {}", word, described(operand.kind)),
              operand.kind == ValueKind::kTimestamp
                  ? "timestamps know only time - time, time + integer and time - integer"
                  : "use a field or literal of an integer or float type");
        return false;
    }

    void add_not(const SyntaxNode& node) {
        const Operand operand = pop();
        require_bool(node, operand);
        push_result(ValueKind::kBool, operand);
        emit(Opcode::kNot, ValueKind::kBool);
    }

    void add_logic(const SyntaxNode& node) {
        const Operand right = pop();
        const Operand left = pop();
        require_bool(node, left);
        require_bool(node, right);
        push_result(ValueKind::kBool, left, right);
        emit(opcode_of(node.what), ValueKind::kBool);
    }

    void require_bool(const SyntaxNode& node, const Operand& operand) {
        if (operand.kind == ValueKind::kBool || operand.kind == ValueKind::kNull ||
            operand.kind == ValueKind::kUnknown)
            return;
        fault(operand.place,
              fmt::format("\"{}\" needs a bool, not {}", spelling(node.what),
                          described(operand.kind)),
              "compare it with something");
    }

    void add_null_question(const SyntaxNode& node) {
        const Operand operand = pop();
        Instruction& last = program_.back();
        // Whether a field is null is known without reading its values.
        if (last.opcode == Opcode::kLoadField && operand.kind != ValueKind::kUnknown)
            last.kind = ValueKind::kList;
        push_result(ValueKind::kBool, operand);
        emit(opcode_of(node.what), ValueKind::kBool);
    }

    void add_comparison(const SyntaxNode& node) {
        const Operand right = pop();
        const Operand left = pop();
        if (left.kind != ValueKind::kUnknown && right.kind != ValueKind::kUnknown)
            compare(node, left, right);
        push_result(ValueKind::kBool, left, right);
    }

    void compare(const SyntaxNode& node, const Operand& left, const Operand& right) {
        const bool is_equality = node.what == Syntax::kEqual || node.what == Syntax::kNotEqual;
        if (left.kind == ValueKind::kNull || right.kind == ValueKind::kNull)
            return fault(node.place, "a comparison with null is always null",
                         node.what == Syntax::kNotEqual ? "write is not null" : "write is null");
        const auto kind = common_kind(left.kind, right.kind);
        if (!kind || *kind == ValueKind::kList)
            return fault(joined(left, right),
                         fmt::format("{} cannot be compared with {}", described(left.kind),
                                     described(right.kind)),
                         fix_of_mismatch(left.kind, right.kind));
        if (!is_equality && (is_text(*kind) || *kind == ValueKind::kBool))
            return fault(
                node.place,
                fmt::format("\"{}\" has no meaning for {}", spelling(node.what), described(*kind)),
                "use == or !=");
        convert(left, right, *kind);
        emit(opcode_of(node.what), *kind);
    }

    void add_coalesce() {
        const Operand right = pop();
        const Operand left = pop();
        const bool is_known = left.kind != ValueKind::kUnknown && right.kind != ValueKind::kUnknown;
        const auto kind = is_known ? common_kind(left.kind, right.kind) : ValueKind::kUnknown;
        if (!kind || *kind == ValueKind::kList) {
            fault(right.place,
                  kind ? std::string("coalesce does not take a list")
                       : fmt::format("coalesce cannot mix {} with {}", described(left.kind),
                                     described(right.kind)),
                  fix_of_mismatch(left.kind, right.kind));
            return push_result(ValueKind::kUnknown, left, right);
        }
        push_result(*kind, left, right);
        if (!is_known) return;
        // The literal null is one instruction, and adds nothing to what stands beside it.
        if (right.kind == ValueKind::kNull) {
            program_.pop_back();
        } else if (left.kind == ValueKind::kNull) {
            program_.erase(program_.begin() + static_cast<std::ptrdiff_t>(left.first));
        } else {
            convert(left, right, *kind);
            emit(Opcode::kCoalesce, *kind);
        }
    }

    // ------------------------------------------------------------------ program

    // Makes floats of integers where the other side has floats.
    void convert(const Operand& left, const Operand& right, ValueKind to) {
        if (to != ValueKind::kFloat) return;
        if (right.kind == ValueKind::kInteger) convert_before(program_.size());
        if (left.kind == ValueKind::kInteger) convert_before(right.first);
    }

    // Converts what the instruction before `end` puts on the stack.
    void convert_before(std::size_t end) {
        Instruction& last = program_[end - 1];
        if (last.opcode == Opcode::kLoadLiteral) {
            last.kind = ValueKind::kFloat;
            last.real = static_cast<double>(last.integer);
            return;
        }
        program_.insert(program_.begin() + static_cast<std::ptrdiff_t>(end),
                        {.opcode = Opcode::kToFloat, .kind = ValueKind::kInteger});
    }

    void emit(Opcode opcode, ValueKind kind) {
        program_.push_back({.opcode = opcode, .kind = kind});
    }

    ExpressionProgram finished(ValueKind kind) {
        ExpressionProgram program;
        program.kind = kind;
        program.type = type_of(kind);
        program.stack_height = stack_height(program_);
        program.has_text = std::ranges::any_of(program_, [](const Instruction& instruction) {
            return loads(instruction.opcode) && is_text(instruction.kind);
        });
        const Instruction& first = program_.front();
        if (program_.size() == 1 && first.opcode == Opcode::kLoadField) {
            program.field = first.column;
            program.type = *fields_[first.column].type;
        }
        program.instructions = std::move(program_);
        return program;
    }

    // ------------------------------------------------------------------ stack

    void push(ValueKind kind, TextPlace place) { stack_.push_back({kind, place, program_.size()}); }
    void push_result(ValueKind kind, const Operand& operand) {
        stack_.push_back({kind, operand.place, operand.first});
    }
    void push_result(ValueKind kind, const Operand& left, const Operand& right) {
        stack_.push_back({kind, joined(left, right), left.first});
    }
    Operand pop() {
        const Operand operand = stack_.back();
        stack_.pop_back();
        return operand;
    }
    static TextPlace joined(const Operand& left, const Operand& right) {
        return {left.place.offset, right.place.offset + right.place.length - left.place.offset};
    }
    void fault(TextPlace place, std::string message, std::string fix) {
        faults_.push_back({place, std::move(message), std::move(fix)});
    }

    const std::span<const ExpressionField> fields_;
    const NameSuggestion suggest_;
    std::vector<Instruction> program_;
    std::vector<Operand> stack_;
    std::vector<ExpressionFault> faults_;
    bool has_unknown_ = false;  // Some field has no type.
};

}  // namespace

CompiledExpression compile_expression(std::string_view text,
                                      std::span<const ExpressionField> fields,
                                      NameSuggestion suggest) {
    auto nodes = parse_expression(text);
    if (!nodes) return {.faults = {std::move(nodes).error()}, .program = {}};
    return Compiler(fields, suggest).compile(*std::move(nodes));
}

Result<ExpressionProgram> compile_expression_of(std::string_view key, std::string_view text,
                                                const data::Schema& input) {
    std::vector<ExpressionField> fields;
    for (const data::Field& field : input.fields()) fields.push_back({field.name, field.type});
    CompiledExpression compiled = compile_expression(text, fields);
    if (compiled.program) return *std::move(compiled.program);
    const ExpressionFault& first = compiled.faults.front();
    return fail(Code::kInvalidArgument, "{}, column {}: {}. Hint: {}", key, first.place.offset + 1,
                first.message, first.fix);
}

}  // namespace millrace::operators
