#include "operators/expression/lexer.h"

#include <array>
#include <utility>

#include <fmt/format.h>

namespace millrace::operators {
namespace {

using std::unexpected;

// Longest first; with those of other languages, for the parser's hints.
constexpr std::array<std::string_view, 20> kSymbols = {"==", "!=", "<=", ">=", "<>", "&&", "||",
                                                       "+",  "-",  "*",  "/",  "%",  "(",  ")",
                                                       "<",  ">",  ",",  "=",  "!",  "'"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool continues_name(char c) { return begins_name(c) || is_digit(c); }
bool continues_utf8(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// What a letter after a backslash stands for; '\0' for none.
char escaped(char letter) {
    switch (letter) {
        case '"':
        case '\\':
            return letter;
        case 'n':
            return '\n';
        case 'r':
            return '\r';
        case 't':
            return '\t';
        default:
            return '\0';
    }
}

}  // namespace

std::expected<Token, ExpressionFault> Lexer::next() {
    skip_spaces();
    if (at_ == text_.size()) return token(TokenKind::kEnd, at_);
    const char first = peek();
    if (begins_name(first)) return name();
    if (is_digit(first) || (first == '.' && is_digit(peek(1)))) return number();
    if (first == '"') return text();
    if (first == '`') return quoted_name();
    return symbol();
}

void Lexer::skip_spaces() {
    while (at_ < text_.size() &&
           (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r'))
        ++at_;
}

Token Lexer::token(TokenKind kind, std::size_t begin) const {
    return {.kind = kind,
            .place = {begin, at_ - begin},
            .written = text_.substr(begin, at_ - begin),
            .content = {}};
}

Token Lexer::name() {
    const std::size_t begin = at_;
    while (continues_name(peek()) || (peek() == '.' && continues_name(peek(1)))) ++at_;
    return token(TokenKind::kName, begin);
}

std::expected<Token, ExpressionFault> Lexer::number() {
    const std::size_t begin = at_;
    if (peek() == '.')
        return unexpected(ExpressionFault{
            {begin, 1}, "a number begins with a digit", "write 0 in front of the point"});
    const auto digits = [this] {
        while (is_digit(peek())) ++at_;
    };
    digits();
    if (peek() == '.' && is_digit(peek(1))) {
        ++at_;
        digits();
    }
    const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
    if ((peek() == 'e' || peek() == 'E') && is_digit(peek(1 + sign))) {
        at_ += 1 + sign;
        digits();
    }
    if (!continues_name(peek()) && peek() != '.') return token(TokenKind::kNumber, begin);
    while (continues_name(peek()) || peek() == '.') ++at_;
    const Token all = token(TokenKind::kNumber, begin);
    return unexpected(ExpressionFault{
        all.place, fmt::format("this is no number: {}", all.written),
        "write a plain number: 30, 0.5 or 1e-3; units and hexadecimal are not known here"});
}

std::expected<Token, ExpressionFault> Lexer::text() {
    const std::size_t begin = at_++;
    std::string content;
    while (at_ < text_.size() && peek() != '"') {
        if (peek() == '\\') {
            const char meant = escaped(peek(1));
            if (meant == '\0')
                return unexpected(
                    ExpressionFault{{at_, at_ + 1 < text_.size() ? std::size_t{2} : std::size_t{1}},
                                    "a text has an unknown escape",
                                    R"(the escapes are \" \\ \n \r \t; a backslash itself is \\)"});
            content += meant;
            at_ += 2;
        } else {
            content += text_[at_++];
        }
    }
    if (at_ == text_.size())
        return unexpected(ExpressionFault{
            {begin, at_ - begin}, "a text has no end", "close it with a double quote"});
    ++at_;
    Token result = token(TokenKind::kText, begin);
    result.content = std::move(content);
    return result;
}

std::expected<Token, ExpressionFault> Lexer::quoted_name() {
    const std::size_t begin = at_;
    const std::size_t end = text_.find('`', begin + 1);
    if (end == std::string_view::npos)
        return unexpected(ExpressionFault{
            {begin, text_.size() - begin}, "a name has no end", "close it with a backtick"});
    at_ = end + 1;
    Token result = token(TokenKind::kQuotedName, begin);
    result.content = text_.substr(begin + 1, end - begin - 1);
    return result;
}

std::expected<Token, ExpressionFault> Lexer::symbol() {
    const std::size_t begin = at_;
    for (const std::string_view known : kSymbols) {
        if (text_.substr(begin).starts_with(known)) {
            at_ += known.size();
            return token(TokenKind::kSymbol, begin);
        }
    }
    ++at_;
    while (at_ < text_.size() && continues_utf8(peek())) ++at_;
    const Token stray = token(TokenKind::kSymbol, begin);
    const bool printable = stray.written[0] >= ' ' && stray.written[0] != '\x7f';
    const bool is_ascii = static_cast<unsigned char>(stray.written[0]) < 0x80;
    return unexpected(ExpressionFault{
        stray.place,
        printable && is_ascii ? fmt::format("an expression has no \"{}\"", stray.written)
                              : "an expression has a letter that is not known here",
        "put a field name with such letters between backticks, and text between double quotes"});
}

}  // namespace millrace::operators
