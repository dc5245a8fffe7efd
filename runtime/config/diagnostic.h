// Says what is wrong in a file that a user wrote: where, what, and what to write instead.
//
// A Diagnostic has a stable code (E... blocks, W... does not) and a Mark. Three forms are printed:
// text with the source line and a caret, JSON for programs, and annotations for GitHub workflows.
//
// Threads:    values, no shared state.
// Ownership:  SourceTexts keeps copies of the texts that marks point into.
// Limits:     a report prints at most kReportedMax diagnostics and kShownColumnsMax columns a line.
// Failure:    a Diagnostic is the failure; nothing here fails.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::config {

// The file of what no file says: the environment, a flag.
inline constexpr std::uint32_t kNoFile = 0xFFFFFFFF;

// A place in a text. Lines and columns count from 1; columns count characters, not bytes.
struct Mark {
    std::uint32_t file = 0;  // Its number in SourceTexts, or kNoFile.
    std::uint32_t line = 0;  // 0: the place is not known.
    std::uint32_t column = 0;
    std::uint32_t end_line = 0;
    std::uint32_t end_column = 0;  // The first column after it.

    friend bool operator==(const Mark&, const Mark&) = default;
};

enum class Severity : unsigned char { kError, kWarning };

struct Diagnostic {
    std::string code = {};  // E010, W041: stable, never used again for something else.
    Severity severity = Severity::kError;
    Mark mark = {};
    std::string path = {};  // sources.clicks.topic; empty when it is about the file.
    std::string message = {};
    std::string fix = {};  // Empty when nothing better can be said.
};

// The texts that were read, by the number that marks carry.
class SourceTexts {
  public:
    // Keeps a text under the name that is shown; returns its number.
    std::uint32_t add(std::string name, std::string text);

    [[nodiscard]] std::string_view name(std::uint32_t file) const;
    [[nodiscard]] std::string_view text(std::uint32_t file) const;
    // The line without its end; empty when there is none of that number.
    [[nodiscard]] std::string_view line(std::uint32_t file, std::uint32_t number) const;

  private:
    struct Source {
        std::string name;
        std::string text;
        std::vector<std::size_t> line_starts;
    };
    std::vector<Source> sources_;
};

enum class ReportForm : unsigned char { kText, kJson, kGithub };

inline constexpr std::size_t kReportedMax = 100;
inline constexpr std::size_t kShownColumnsMax = 160;

// Orders by file, line and column; equal places keep their order.
void sort_by_place(std::vector<Diagnostic>& diagnostics);

[[nodiscard]] bool has_errors(std::span<const Diagnostic> diagnostics);

// One diagnostic; the text form has several lines, each with its end.
[[nodiscard]] std::string to_text(const Diagnostic& diagnostic, const SourceTexts& sources);
[[nodiscard]] std::string to_json(const Diagnostic& diagnostic, const SourceTexts& sources);
[[nodiscard]] std::string to_github(const Diagnostic& diagnostic, const SourceTexts& sources);

// All of them in the order given: text ends with "2 errors", JSON is one array.
[[nodiscard]] std::string report(std::span<const Diagnostic> diagnostics,
                                 const SourceTexts& sources, ReportForm form);

// Appends `text` as a JSON string with its quotes.
void append_json_text(std::string& out, std::string_view text);

}  // namespace millrace::config
