#include "runtime/config/diagnostic.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "runtime/base/check.h"

namespace millrace::config {
namespace {

std::string_view word(Severity severity) {
    return severity == Severity::kError ? "error" : "warning";
}

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

// Splits a line into characters, so that columns and bytes do not get mixed up.
std::vector<std::string_view> characters(std::string_view line) {
    std::vector<std::string_view> result;
    for (std::size_t i = 0; i < line.size();) {
        std::size_t end = i + 1;
        while (end < line.size() && continues_character(line[end])) {
            ++end;
        }
        result.push_back(line.substr(i, end - i));
        i = end;
    }
    return result;
}

// What is shown of a line: characters [first, last).
struct Window {
    std::size_t first;
    std::size_t last;
};

Window window_around(std::size_t column, std::size_t length) {
    if (length <= kShownColumnsMax) {
        return {0, length};
    }
    const std::size_t middle = std::min(column, length);
    const std::size_t first =
        std::min(middle > kShownColumnsMax / 2 ? middle - kShownColumnsMax / 2 : 0,
                 length - kShownColumnsMax);
    return {first, first + kShownColumnsMax};
}

void append_source_line(std::string& out, const Mark& mark, std::string_view line) {
    const std::vector<std::string_view> letters = characters(line);
    const std::size_t column = mark.column == 0 ? 0 : mark.column - 1;
    const Window window = window_around(column, letters.size());
    std::string shown;
    std::string carets;
    for (std::size_t i = window.first; i < window.last; ++i) {
        const bool control =
            letters[i].size() == 1 && static_cast<unsigned char>(letters[i][0]) < 32;
        shown += control ? " " : letters[i];
        if (i < column) {
            carets += ' ';
        }
    }
    const std::size_t wanted = mark.end_line == mark.line && mark.end_column > mark.column
                                   ? mark.end_column - mark.column
                                   : 1;
    const std::size_t room = window.last > column ? window.last - column : 1;
    carets.append(std::min(wanted, room), '^');
    const std::string number = fmt::format("{}", mark.line);
    out += fmt::format("  {} | {}\n", number, shown);
    out += fmt::format("  {} | {}\n", std::string(number.size(), ' '), carets);
}

std::string place(const Diagnostic& diagnostic, const SourceTexts& sources) {
    const Mark& mark = diagnostic.mark;
    const std::string_view name = sources.name(mark.file);
    if (name.empty()) {
        return "";
    }
    return mark.line == 0 ? fmt::format("{}: ", name)
                          : fmt::format("{}:{}:{}: ", name, mark.line, mark.column);
}

std::string counted(std::size_t count, std::string_view noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string summary(std::span<const Diagnostic> diagnostics) {
    const auto errors = static_cast<std::size_t>(std::ranges::count(
        diagnostics, Severity::kError, [](const Diagnostic& entry) { return entry.severity; }));
    const std::size_t warnings = diagnostics.size() - errors;
    if (errors == 0) {
        return counted(warnings, "warning");
    }
    return warnings == 0 ? counted(errors, "error")
                         : counted(errors, "error") + ", " + counted(warnings, "warning");
}

// GitHub's escapes: the message may not hold line ends, properties no ':' and ',' either.
std::string github_text(std::string_view text, bool property) {
    std::string out;
    for (const char letter : text) {
        if (letter == '%' || letter == '\n' || letter == '\r' ||
            (property && (letter == ':' || letter == ','))) {
            out += fmt::format("%{:02X}", static_cast<unsigned char>(letter));
        } else {
            out += letter;
        }
    }
    return out;
}

std::string json_report(std::span<const Diagnostic> diagnostics, const SourceTexts& sources) {
    std::string out = "[";
    for (const Diagnostic& diagnostic : diagnostics) {
        out += out.size() == 1 ? "\n  " : ",\n  ";
        out += to_json(diagnostic, sources);
    }
    out += diagnostics.empty() ? "]\n" : "\n]\n";
    return out;
}

}  // namespace

std::uint32_t SourceTexts::add(std::string name, std::string text) {
    Source source{std::move(name), std::move(text), {0}};
    for (std::size_t i = 0; i < source.text.size(); ++i) {
        if (source.text[i] == '\n') {
            source.line_starts.push_back(i + 1);
        }
    }
    sources_.push_back(std::move(source));
    return static_cast<std::uint32_t>(sources_.size() - 1);
}

std::string_view SourceTexts::name(std::uint32_t file) const {
    return file < sources_.size() ? std::string_view(sources_[file].name) : "";
}

std::string_view SourceTexts::text(std::uint32_t file) const {
    return file < sources_.size() ? std::string_view(sources_[file].text) : "";
}

std::string_view SourceTexts::line(std::uint32_t file, std::uint32_t number) const {
    if (file >= sources_.size() || number == 0 || number > sources_[file].line_starts.size()) {
        return "";
    }
    const Source& source = sources_[file];
    std::string_view line = std::string_view(source.text).substr(source.line_starts[number - 1]);
    line = line.substr(0, line.find('\n'));
    if (line.ends_with('\r')) {
        line.remove_suffix(1);
    }
    return line;
}

void sort_by_place(std::vector<Diagnostic>& diagnostics) {
    std::ranges::stable_sort(diagnostics, {}, [](const Diagnostic& entry) {
        return std::tuple(entry.mark.file, entry.mark.line, entry.mark.column);
    });
}

bool has_errors(std::span<const Diagnostic> diagnostics) {
    return std::ranges::any_of(
        diagnostics, [](const Diagnostic& entry) { return entry.severity == Severity::kError; });
}

std::string to_text(const Diagnostic& diagnostic, const SourceTexts& sources) {
    std::string out = fmt::format("{}{}: {} [{}]\n", place(diagnostic, sources),
                                  word(diagnostic.severity), diagnostic.message, diagnostic.code);
    const std::string_view line = sources.line(diagnostic.mark.file, diagnostic.mark.line);
    if (!line.empty()) {
        append_source_line(out, diagnostic.mark, line);
    }
    if (!diagnostic.fix.empty()) {
        out += fmt::format("  fix: {}\n", diagnostic.fix);
    }
    return out;
}

std::string to_json(const Diagnostic& diagnostic, const SourceTexts& sources) {
    std::string out = "{\"code\":";
    append_json_text(out, diagnostic.code);
    out += ",\"severity\":";
    append_json_text(out, word(diagnostic.severity));
    out += ",\"file\":";
    append_json_text(out, sources.name(diagnostic.mark.file));
    out += fmt::format(",\"line\":{},\"col\":{}", diagnostic.mark.line, diagnostic.mark.column);
    out += ",\"path\":";
    append_json_text(out, diagnostic.path);
    out += ",\"message\":";
    append_json_text(out, diagnostic.message);
    out += ",\"fix\":";
    append_json_text(out, diagnostic.fix);
    out += ",\"doc_url\":null}";
    return out;
}

std::string to_github(const Diagnostic& diagnostic, const SourceTexts& sources) {
    std::string text = diagnostic.message;
    if (!diagnostic.fix.empty()) {
        text += "\nfix: " + diagnostic.fix;
    }
    std::string where =
        fmt::format("file={}", github_text(sources.name(diagnostic.mark.file), true));
    if (diagnostic.mark.line != 0) {
        where += fmt::format(",line={},col={}", diagnostic.mark.line, diagnostic.mark.column);
    }
    return fmt::format("::{} {},title={}::{}\n", word(diagnostic.severity), where, diagnostic.code,
                       github_text(text, false));
}

std::string report(std::span<const Diagnostic> diagnostics, const SourceTexts& sources,
                   ReportForm form) {
    const auto shown = diagnostics.first(std::min(diagnostics.size(), kReportedMax));
    if (form == ReportForm::kJson) {
        return json_report(shown, sources);
    }
    std::string out;
    for (const Diagnostic& diagnostic : shown) {
        out += form == ReportForm::kText ? to_text(diagnostic, sources)
                                         : to_github(diagnostic, sources);
    }
    if (form == ReportForm::kText && !diagnostics.empty()) {
        if (shown.size() < diagnostics.size()) {
            out += fmt::format("{} more are not shown\n", diagnostics.size() - shown.size());
        }
        out += summary(diagnostics) + "\n";
    }
    return out;
}

void append_json_text(std::string& out, std::string_view text) {
    out += '"';
    for (const char letter : text) {
        if (letter == '"' || letter == '\\') {
            out += '\\';
            out += letter;
        } else if (static_cast<unsigned char>(letter) < 0x20) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned char>(letter));
        } else {
            out += letter;
        }
    }
    out += '"';
}

}  // namespace millrace::config
