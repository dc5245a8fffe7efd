// Cuts the text of an expression into tokens.
//
//   name      [A-Za-z_][A-Za-z0-9_]*, more parts after dots: predictions.ctr.score
//   `name`    a name with any other letters, or one that is a word of the language
//   number    12, 0.5, 1e-3
//   "text"    with the escapes \" \\ \n \r \t
//   symbols   + - * / % ( ) , == != < <= > >=, and those of other languages, for the parser's hints
//
// Threads:    one.
// Ownership:  borrows the text; tokens refer to it.
// Limits:     none of its own; the parser limits the text.
// Failure:    a fault at the first byte that begins no token.

#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "operators/expression/expression_fault.h"

namespace millrace::operators {

enum class TokenKind : std::uint8_t { kEnd, kName, kQuotedName, kNumber, kText, kSymbol };

struct Token {
    TokenKind kind = TokenKind::kEnd;
    TextPlace place;
    std::string_view written;  // As it stands in the text; of kEnd empty.
    std::string content;       // Of kQuotedName and kText: without quotes and escapes.

    // True for a symbol or a word of the language, as written.
    [[nodiscard]] bool is(std::string_view word) const {
        return (kind == TokenKind::kSymbol || kind == TokenKind::kName) && written == word;
    }
};

class Lexer {
  public:
    explicit Lexer(std::string_view text) : text_(text) {}

    // The next token; kEnd at the end, again and again.
    std::expected<Token, ExpressionFault> next();

  private:
    std::expected<Token, ExpressionFault> number();
    std::expected<Token, ExpressionFault> text();
    std::expected<Token, ExpressionFault> quoted_name();
    std::expected<Token, ExpressionFault> symbol();
    Token name();

    void skip_spaces();
    [[nodiscard]] char peek(std::size_t ahead = 0) const {
        return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
    }
    // The token from `begin` to the place where the lexer stands.
    [[nodiscard]] Token token(TokenKind kind, std::size_t begin) const;

    const std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace millrace::operators
