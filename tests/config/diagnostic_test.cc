#include "runtime/config/diagnostic.h"

#include <catch2/catch.hpp>

namespace millrace::config {
namespace {

Diagnostic at(std::uint32_t line, std::uint32_t column, std::uint32_t length) {
    return {.code = "E010",
            .mark = {0, line, column, line, column + length},
            .path = "a.b",
            .message = "unknown key \"topik\"",
            .fix = "did you mean \"topic\"?"};
}

SourceTexts sources_of(std::string text) {
    SourceTexts sources;
    sources.add("ctr.yaml", std::move(text));
    return sources;
}

TEST_CASE("a diagnostic shows the line with a caret under its columns", "[config][diagnostic]") {
    const SourceTexts sources = sources_of("a: 1\nb:\n  topik: x\n");
    REQUIRE(to_text(at(3, 3, 5), sources) ==
            "ctr.yaml:3:3: error: unknown key \"topik\" [E010]\n"
            "  3 |   topik: x\n"
            "    |   ^^^^^\n"
            "  fix: did you mean \"topic\"?\n");
}

TEST_CASE("the caret column counts characters, not bytes", "[config][diagnostic]") {
    const SourceTexts sources = sources_of("\xC3\xA4\xC3\xB6: topik\r\n");
    REQUIRE(
        to_text(at(1, 5, 5), sources).find("  1 | \xC3\xA4\xC3\xB6: topik\n    |     ^^^^^\n") !=
        std::string::npos);
}

TEST_CASE("a tab in the line keeps the caret in place", "[config][diagnostic]") {
    const SourceTexts sources = sources_of("a:\ttopik\n");
    REQUIRE(to_text(at(1, 4, 5), sources).find("  1 | a: topik\n    |    ^^^^^\n") !=
            std::string::npos);
}

TEST_CASE("a long line is cut around the caret", "[config][diagnostic]") {
    const SourceTexts sources =
        sources_of(std::string(5000, 'a') + "topik" + std::string(5000, 'b'));
    const std::string text = to_text(at(1, 5001, 5), sources);
    REQUIRE(text.size() < 3 * kShownColumnsMax);
    const std::size_t line_end = text.find('\n', text.find("  1 | "));
    const std::size_t caret = text.find('^') - line_end;
    const std::size_t word = text.find("topikb") - (text.find("  1 | ") - 1);
    REQUIRE(caret == word);
}

TEST_CASE("a caret stays within the line that is shown", "[config][diagnostic]") {
    const SourceTexts sources = sources_of("ab\n");
    REQUIRE(to_text(at(1, 2, 400), sources).find("    |  ^\n") != std::string::npos);
    REQUIRE(to_text(at(1, 90, 1), sources).find("^\n") != std::string::npos);
}

TEST_CASE("a diagnostic without a file has no place", "[config][diagnostic]") {
    const SourceTexts sources = sources_of("a: 1\n");
    Diagnostic diagnostic = at(0, 0, 0);
    diagnostic.mark = {.file = kNoFile};
    diagnostic.fix = "";
    REQUIRE(to_text(diagnostic, sources) == "error: unknown key \"topik\" [E010]\n");
}

TEST_CASE("JSON carries every part and escapes text", "[config][diagnostic]") {
    const SourceTexts sources = sources_of("a\n");
    REQUIRE(to_json(at(1, 1, 1), sources) ==
            R"({"code":"E010","severity":"error","file":"ctr.yaml","line":1,"col":1,"path":"a.b",)"
            R"("message":"unknown key \"topik\"","fix":"did you mean \"topic\"?","doc_url":null})");
    std::string text;
    append_json_text(text, "a\n\x01\\");
    REQUIRE(text == "\"a\\u000a\\u0001\\\\\"");
}

TEST_CASE("GitHub annotations stay on one line", "[config][diagnostic]") {
    const SourceTexts sources = sources_of("a\n");
    Diagnostic diagnostic = at(1, 1, 1);
    diagnostic.severity = Severity::kWarning;
    REQUIRE(to_github(diagnostic, sources) ==
            "::warning file=ctr.yaml,line=1,col=1,title=E010::unknown key \"topik\"%0Afix: did you "
            "mean \"topic\"?\n");
}

TEST_CASE("a report counts errors and warnings", "[config][diagnostic]") {
    const SourceTexts sources = sources_of("a\n");
    std::vector<Diagnostic> all{at(1, 1, 1), at(1, 1, 1)};
    REQUIRE(report(all, sources, ReportForm::kText).ends_with("\n2 errors\n"));
    all[1].severity = Severity::kWarning;
    REQUIRE(report(all, sources, ReportForm::kText).ends_with("\n1 error, 1 warning\n"));
    REQUIRE(has_errors(all));
    all.erase(all.begin());
    REQUIRE(report(all, sources, ReportForm::kText).ends_with("\n1 warning\n"));
    REQUIRE_FALSE(has_errors(all));
    REQUIRE(report({}, sources, ReportForm::kText).empty());
    REQUIRE(report({}, sources, ReportForm::kJson) == "[]\n");
}

TEST_CASE("a report stops after a hundred", "[config][diagnostic]") {
    const SourceTexts sources = sources_of("a\n");
    const std::vector<Diagnostic> all(kReportedMax + 7, at(1, 1, 1));
    const std::string text = report(all, sources, ReportForm::kText);
    REQUIRE(text.ends_with("7 more are not shown\n107 errors\n"));
}

TEST_CASE("diagnostics sort by place and keep the order of equals", "[config][diagnostic]") {
    std::vector<Diagnostic> all{at(2, 1, 1), at(1, 9, 1), at(1, 2, 1), at(1, 2, 1)};
    all[2].code = "E001";
    all[3].code = "E002";
    sort_by_place(all);
    REQUIRE(all[0].code == "E001");
    REQUIRE(all[1].code == "E002");
    REQUIRE(all[2].mark.column == 9);
    REQUIRE(all[3].mark.line == 2);
}

}  // namespace
}  // namespace millrace::config
