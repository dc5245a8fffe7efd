#include "operators/expression/parser.h"

#include <array>
#include <charconv>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "operators/expression/lexer.h"
#include "runtime/base/status.h"

namespace millrace::operators {
namespace {

using std::unexpected;
using Parsed = std::expected<void, ExpressionFault>;

// How tightly operators bind.
enum Binding : int {
    kLoosest = 0,
    kOrBinding,
    kAndBinding,
    kNotBinding,
    kComparisonBinding,
    kSumBinding,
    kProductBinding,
    kSignBinding,
};

struct Infix {
    std::string_view word;
    Syntax what;
    Binding binding;
};

constexpr std::array<Infix, 13> kInfixes = {{
    {"or", Syntax::kOr, kOrBinding},
    {"and", Syntax::kAnd, kAndBinding},
    {"==", Syntax::kEqual, kComparisonBinding},
    {"!=", Syntax::kNotEqual, kComparisonBinding},
    {"<", Syntax::kLess, kComparisonBinding},
    {"<=", Syntax::kLessEqual, kComparisonBinding},
    {">", Syntax::kGreater, kComparisonBinding},
    {">=", Syntax::kGreaterEqual, kComparisonBinding},
    {"+", Syntax::kAdd, kSumBinding},
    {"-", Syntax::kSubtract, kSumBinding},
    {"*", Syntax::kMultiply, kProductBinding},
    {"/", Syntax::kDivide, kProductBinding},
    {"%", Syntax::kRemainder, kProductBinding},
}};
constexpr Infix kIs = {"is", Syntax::kIsNull, kComparisonBinding};

constexpr std::array<std::string_view, 7> kWords = {"and",  "or",   "not",  "is",
                                                    "null", "true", "false"};

// What other languages write, and what is written here.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kForeign = {{
    {"=", "write == to compare"},
    {"<>", "write !="},
    {"&&", "write and"},
    {"||", "write or"},
    {"!", "write not"},
    {"'", "write text between double quotes"},
}};

std::string lowered(std::string_view word) {
    std::string lower(word);
    for (char& c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return lower;
}

bool is_word(std::string_view name) {
    for (const std::string_view word : kWords)
        if (word == name) return true;
    return false;
}

std::string described(const Token& token) {
    return token.kind == TokenKind::kText ? "a text" : fmt::format("\"{}\"", token.written);
}

// What to do about a token that cannot stand where it stands.
std::string fix_of(const Token& token, std::string_view otherwise) {
    for (const auto& [foreign, fix] : kForeign)
        if (token.is(foreign)) return std::string(fix);
    const std::string lower = lowered(token.written);
    if (token.kind == TokenKind::kName && lower != token.written && is_word(lower))
        return fmt::format("write {}", lower);
    return std::string(otherwise);
}

class Parser {
  public:
    explicit Parser(std::string_view text) : lexer_(text) {}

    std::expected<std::vector<SyntaxNode>, ExpressionFault> parse() {
        MILLRACE_TRY(advance());
        if (token_.kind == TokenKind::kEnd)
            return unexpected(ExpressionFault{
                {}, "the expression is empty", "write a condition or a value: bid > 0"});
        MILLRACE_TRY(expression(kLoosest));
        if (token_.kind != TokenKind::kEnd) return unexpected(surplus());
        return std::move(nodes_);
    }

  private:
    Parsed advance() {
        MILLRACE_TRY_ASSIGN(token_, lexer_.next());
        return {};
    }

    Parsed emit(SyntaxNode node) {
        if (nodes_.size() == kExpressionNodesMax)
            return unexpected(ExpressionFault{
                node.place,
                fmt::format("the expression has more than {} fields, literals and operators",
                            kExpressionNodesMax),
                "split it over several steps"});
        nodes_.push_back(std::move(node));
        return {};
    }

    // Parses as far as operators bind at least as tightly as `loosest`.
    Parsed expression(Binding loosest) {
        if (depth_ == kExpressionDepthMax)
            return unexpected(ExpressionFault{
                token_.place,
                fmt::format("the expression is nested deeper than {} levels", kExpressionDepthMax),
                "split it over several steps"});
        ++depth_;
        MILLRACE_TRY(operand(loosest));
        bool compared = false;
        for (auto infix = infix_here(); infix && infix->binding >= loosest; infix = infix_here()) {
            const bool compares = infix->binding == kComparisonBinding;
            if (compares && compared)
                return unexpected(ExpressionFault{token_.place, "comparisons do not chain",
                                                  "join two comparisons with and"});
            compared = compared || compares;
            MILLRACE_TRY(infix->word == kIs.word ? null_question() : infix_operator(*infix));
        }
        --depth_;
        return {};
    }

    [[nodiscard]] std::optional<Infix> infix_here() const {
        for (const Infix& infix : kInfixes)
            if (token_.is(infix.word)) return infix;
        return token_.is(kIs.word) ? std::optional(kIs) : std::nullopt;
    }

    Parsed infix_operator(const Infix& infix) {
        const TextPlace place = token_.place;
        MILLRACE_TRY(advance());
        MILLRACE_TRY(expression(static_cast<Binding>(infix.binding + 1)));
        return emit({.what = infix.what, .place = place});
    }

    // `is null`, `is not null`.
    Parsed null_question() {
        const TextPlace place = token_.place;
        MILLRACE_TRY(advance());
        const bool negated = token_.is("not");
        if (negated) MILLRACE_TRY(advance());
        if (!token_.is("null"))
            return unexpected(ExpressionFault{token_.place,
                                              "only null or not null can follow \"is\"",
                                              "write == to compare with something else"});
        MILLRACE_TRY(advance());
        return emit({.what = negated ? Syntax::kIsNotNull : Syntax::kIsNull, .place = place});
    }

    Parsed operand(Binding loosest) {
        switch (token_.kind) {
            case TokenKind::kNumber:
                return number(token_.place, "");
            case TokenKind::kText:
                return leaf({.what = Syntax::kText, .text = std::move(token_.content)});
            case TokenKind::kQuotedName:
                return leaf({.what = Syntax::kField, .text = std::move(token_.content)});
            case TokenKind::kName:
                return is_word(token_.written) ? word(loosest) : name();
            case TokenKind::kSymbol:
                if (token_.is("(")) return parentheses();
                if (token_.is("-")) return sign();
                break;
            case TokenKind::kEnd:
                return unexpected(ExpressionFault{token_.place,
                                                  "the expression ends where a value is expected",
                                                  "add a value, or remove what stands last"});
        }
        return unexpected(no_value());
    }

    Parsed leaf(SyntaxNode node) {
        node.place = token_.place;
        MILLRACE_TRY(emit(std::move(node)));
        return advance();
    }

    Parsed word(Binding loosest) {
        if (token_.is("null")) return leaf({.what = Syntax::kNull});
        if (token_.is("true")) return leaf({.what = Syntax::kBool, .integer = 1});
        if (token_.is("false")) return leaf({.what = Syntax::kBool, .integer = 0});
        if (!token_.is("not")) return unexpected(no_value());
        if (loosest > kNotBinding)
            return unexpected(ExpressionFault{token_.place,
                                              "\"not\" cannot stand behind this operator",
                                              "put parentheses around it: (not a)"});
        const TextPlace place = token_.place;
        MILLRACE_TRY(advance());
        MILLRACE_TRY(expression(kNotBinding));
        return emit({.what = Syntax::kNot, .place = place});
    }

    Parsed name() {
        const Token written = token_;
        MILLRACE_TRY(advance());
        if (!token_.is("("))
            return emit({.what = Syntax::kField,
                         .place = written.place,
                         .text = std::string(written.written)});
        if (written.is("coalesce")) return coalesce(written.place);
        return unexpected(ExpressionFault{
            written.place, fmt::format("there is no function \"{}\"", written.written),
            "coalesce(a, b) is the only function"});
    }

    // One node for each argument but the first: coalesce(a, b, c) is coalesce(coalesce(a, b), c).
    Parsed coalesce(TextPlace place) {
        MILLRACE_TRY(advance());
        if (!token_.is(")")) MILLRACE_TRY(expression(kLoosest));
        if (token_.is(")"))
            return unexpected(ExpressionFault{place, "coalesce needs two values or more",
                                              "write coalesce(field, 0)"});
        while (token_.is(",")) {
            MILLRACE_TRY(advance());
            MILLRACE_TRY(expression(kLoosest));
            MILLRACE_TRY(emit({.what = Syntax::kCoalesce, .place = place}));
        }
        return closed(place);
    }

    Parsed parentheses() {
        const TextPlace place = token_.place;
        MILLRACE_TRY(advance());
        MILLRACE_TRY(expression(kLoosest));
        return closed(place);
    }

    // In a job file, a comma ends a value that stands in { } without quotes.
    Parsed closed(TextPlace opened) {
        if (token_.is(")")) return advance();
        if (token_.kind == TokenKind::kEnd)
            return unexpected(ExpressionFault{
                opened, "a parenthesis has no end",
                "close it with ); inside { }, put the whole expression between single quotes"});
        return unexpected(surplus());
    }

    // A minus in front of a number belongs to it: -9223372036854775808 is an int64.
    Parsed sign() {
        const TextPlace place = token_.place;
        MILLRACE_TRY(advance());
        if (token_.kind == TokenKind::kNumber)
            return number({place.offset, token_.place.offset + token_.place.length - place.offset},
                          "-");
        MILLRACE_TRY(expression(kSignBinding));
        return emit({.what = Syntax::kNegate, .place = place});
    }

    Parsed number(TextPlace place, std::string_view sign) {
        const std::string digits = fmt::format("{}{}", sign, token_.written);
        const char* const end = digits.data() + digits.size();
        SyntaxNode node{.what = Syntax::kInteger, .place = place};
        std::from_chars_result read{};
        if (token_.written.find_first_of(".eE") == std::string_view::npos) {
            read = std::from_chars(digits.data(), end, node.integer);
        } else {
            node.what = Syntax::kFloat;
            read = std::from_chars(digits.data(), end, node.real);
        }
        if (read.ec != std::errc{})
            return unexpected(ExpressionFault{
                place,
                fmt::format("the number does not fit into {}: {}",
                            node.what == Syntax::kInteger ? "int64" : "float64", digits),
                node.what == Syntax::kInteger ? "write it as a float: add .0"
                                              : "write a number between 2.3e-308 and 1.7e308"});
        MILLRACE_TRY(emit(std::move(node)));
        return advance();
    }

    // ------------------------------------------------------------------ faults

    [[nodiscard]] ExpressionFault no_value() const {
        return {token_.place, fmt::format("a value is expected, not {}", described(token_)),
                fix_of(token_, "write a field, a number, a \"text\", true, false or null")};
    }

    // A token behind a complete operand that continues nothing.
    [[nodiscard]] ExpressionFault surplus() const {
        if (token_.is(")"))
            return {token_.place, "a parenthesis is closed that was not opened",
                    "remove it, or open it with ("};
        return {token_.place, fmt::format("an operator is expected, not {}", described(token_)),
                fix_of(token_, "put an operator between the values: and, or, ==, <, +")};
    }

    Lexer lexer_;
    Token token_;
    std::size_t depth_ = 0;
    std::vector<SyntaxNode> nodes_;
};

}  // namespace

std::string_view spelling(Syntax what) {
    for (const Infix& infix : kInfixes)
        if (infix.what == what) return infix.word;
    switch (what) {
        case Syntax::kNegate:
            return "-";
        case Syntax::kNot:
            return "not";
        case Syntax::kIsNull:
            return "is null";
        case Syntax::kIsNotNull:
            return "is not null";
        case Syntax::kCoalesce:
            return "coalesce";
        default:
            return "value";
    }
}

std::expected<std::vector<SyntaxNode>, ExpressionFault> parse_expression(std::string_view text) {
    if (text.size() > kExpressionBytesMax)
        return unexpected(ExpressionFault{
            {kExpressionBytesMax, 1},
            fmt::format("the expression is longer than {} bytes", kExpressionBytesMax),
            "split it over several steps"});
    return Parser(text).parse();
}

}  // namespace millrace::operators
