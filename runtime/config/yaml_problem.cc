#include "runtime/config/yaml_problem.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace millrace::config {
namespace {

std::string_view or_empty(const char* text) { return text == nullptr ? "" : text; }

Mark mark_at(const yaml_mark_t& at, std::uint32_t file) {
    const auto line = static_cast<std::uint32_t>(at.line + 1);
    const auto column = static_cast<std::uint32_t>(at.column + 1);
    return {file, line, column, line, column + 1};
}

// libyaml's reader counts bytes and knows no line.
Mark mark_at_byte(std::string_view text, std::size_t offset, std::uint32_t file) {
    const std::string_view before = text.substr(0, std::min(offset, text.size()));
    const auto line = static_cast<std::uint32_t>(std::ranges::count(before, '\n') + 1);
    const std::size_t start = before.rfind('\n') + 1;  // npos + 1 is 0.
    const auto column = static_cast<std::uint32_t>(before.size() - start + 1);
    return {file, line, column, line, column + 1};
}

// The byte at a mark of an ASCII-only prefix; good enough to look for `$` and tabs.
char letter_at(std::string_view text, const Mark& mark, std::uint32_t back) {
    std::size_t start = 0;
    for (std::uint32_t line = 1; line < mark.line; ++line) {
        start = text.find('\n', start) + 1;
    }
    const std::string_view line = text.substr(start, text.find('\n', start) - start);
    const std::size_t index = mark.column - 1;
    return index >= back && index - back < line.size() ? line[index - back] : '\0';
}

Diagnostic unreadable(std::string_view text, const yaml_parser_t& parser, std::uint32_t file) {
    return {.code = "E008",
            .mark = mark_at_byte(text, parser.problem_offset, file),
            .message = fmt::format("this byte is not allowed: {}", or_empty(parser.problem)),
            .fix = "save the file as UTF-8 without control characters"};
}

Diagnostic bad_token(Mark mark, char letter) {
    Diagnostic result{.code = "E001", .mark = mark};
    if (letter == '\t') {
        result.message = "a tab cannot indent";
        result.fix = "use spaces";
    } else {
        result.message = fmt::format("a value cannot begin with '{}'", letter);
        result.fix = "put quotes around it";
    }
    return result;
}

Diagnostic unclosed(Mark began, std::string_view what) {
    return {.code = "E002",
            .mark = began,
            .message = fmt::format("{} opened on line {} is not closed", what, began.line),
            .fix = "close it"};
}

Diagnostic unfinished_flow(Mark began, Mark here, std::string_view context) {
    const bool list = context.find("sequence") != std::string_view::npos;
    return {.code = "E002",
            .mark = here,
            .message = fmt::format("the {} opened on line {} is not closed, or a comma is missing",
                                   list ? "'['" : "'{'", began.line),
            .fix = list ? "write [a, b]" : "write { key: value, key: value }"};
}

}  // namespace

Diagnostic yaml_problem(const yaml_parser_t& parser, std::string_view text, std::uint32_t file) {
    if (parser.error == YAML_READER_ERROR) {
        return unreadable(text, parser, file);
    }
    const std::string_view problem = or_empty(parser.problem);
    const std::string_view context = or_empty(parser.context);
    const Mark here = mark_at(parser.problem_mark, file);
    const Mark began = mark_at(parser.context_mark, file);
    Diagnostic result{.code = "E001", .mark = here};
    if (letter_at(text, here, 0) == '{' && letter_at(text, here, 1) == '$') {
        result.code = "E006";
        result.message = "a variable inside braces or brackets needs quotes";
        result.fix = "put quotes around it: \"${NAME}\"";
    } else if (context.find("quoted scalar") != std::string_view::npos &&
               problem.find("end of stream") != std::string_view::npos) {
        return unclosed(began, "the quote");
    } else if (problem.find("did not find expected ','") != std::string_view::npos) {
        return unfinished_flow(began, here, context);
    } else if (problem.find("mapping values are not allowed") != std::string_view::npos) {
        result.message = "a ':' too many, or this line is indented wrongly";
        result.fix = "put quotes around a value that holds ': '";
    } else if (problem.find("did not find expected key") != std::string_view::npos ||
               problem.find("did not find expected '-'") != std::string_view::npos) {
        result.message = fmt::format("this line is indented differently from line {}", began.line);
        result.fix = fmt::format("begin it in column {}", began.column);
    } else if (problem.find("found unexpected ':'") != std::string_view::npos) {
        result.message = "a ':' must be followed by a space";
        result.fix = "write key: value, or put quotes around a value that holds ':'";
    } else if (problem.find("could not find expected ':'") != std::string_view::npos) {
        result.mark = began;
        result.message = "a ':' is missing after this";
        result.fix = "write key: value";
    } else if (problem.find("cannot start any token") != std::string_view::npos) {
        return bad_token(here, letter_at(text, here, 0));
    } else {
        result.message =
            fmt::format("this is not YAML: {}{}{}", problem, context.empty() ? "" : " ", context);
    }
    return result;
}

}  // namespace millrace::config
