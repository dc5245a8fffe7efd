#include "runtime/cli/job_documents.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <fmt/core.h>

#include "proto/job.pb.h"
#include "runtime/cli/exit_codes.h"
#include "runtime/config/text_file.h"
#include "runtime/config/variables.h"
#include "runtime/jobfile/error_codes.h"
#include "runtime/jobfile/render.h"

namespace millrace::cli {
namespace {

std::expected<std::vector<jobfile::JobText>, ExitCode> read_texts(
    const std::vector<std::string>& paths) {
    std::vector<jobfile::JobText> texts;
    for (const std::string& path : paths) {
        auto text = config::read_text_file(path);
        if (!text) {
            return std::unexpected(exit_with(std::move(text).error().with_context(
                fmt::format("cannot read the job file {}", path))));
        }
        texts.push_back({.name = path, .text = std::move(*text)});
    }
    return texts;
}

jobfile::ValidateOptions options_of(const CommandLine& line,
                                    const jobfile::ExpressionChecker* expressions) {
    return {.variables = config::process_environment(),
            .assignments = line.assignments,
            .expressions = expressions,
            .deny_warnings = line.deny_warnings,
            .allowed_warnings = line.allowed_warnings};
}

ExitCode validate_one(const CommandLine& line, const std::vector<std::string>& paths,
                      const jobfile::ExpressionChecker* expressions) {
    auto texts = read_texts(paths);
    if (!texts) return texts.error();
    const jobfile::Validation validation = jobfile::validate(*texts, options_of(line, expressions));
    const std::string report =
        config::report(validation.diagnostics, validation.sources, form_of(line));
    const bool is_machine = form_of(line) != config::ReportForm::kText;
    std::fputs(report.c_str(), is_machine ? stdout : stderr);
    if (validation.job == nullptr) return ExitCode::kBadConfig;
    if (!is_machine) fmt::print("{}: valid\n", paths.front());
    return ExitCode::kDone;
}

std::string together_text(const MemorySums& sums) {
    if (sums.slots_together == 0) return "";
    if (sums.slots_together == sums.slots_needed) return " of one TaskManager";
    return fmt::format(", {} of them of one TaskManager", sums.slots_together);
}

void print_job(const proto::Job& job, const MemorySums& sums) {
    fmt::print("job {}   parallelism {}   needs {} slot{}{}\n", job.name(),
               job.runtime().parallelism(), sums.slots_needed, sums.slots_needed == 1 ? "" : "s",
               together_text(sums));
    for (const proto::Source& source : job.sources()) {
        fmt::print("  source {} ({})\n", source.name(), source.parallelism());
    }
    for (const proto::Step& step : job.steps()) {
        std::string from;
        for (const std::string& name : step.from()) from += (from.empty() ? "" : ", ") + name;
        fmt::print("  step {} ({}) from {}\n", step.name(), step.parallelism(), from);
    }
    for (const proto::Sink& sink : job.sinks())
        fmt::print("  sink {} from {}\n", sink.name(), sink.from());
}

// As E012 or w41, and no file of this name.
bool is_code_like(const std::string& word) {
    constexpr std::size_t kLengthMax = 6;
    if (word.size() < 2 || word.size() > kLengthMax) return false;
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    return std::string_view("EWew").find(word[0]) != std::string_view::npos &&
           std::all_of(word.begin() + 1, word.end(), is_digit) && !std::filesystem::exists(word);
}

ExitCode explain_code(std::string word) {
    word[0] = word[0] == 'e' ? 'E' : word[0] == 'w' ? 'W' : word[0];
    if (const jobfile::ErrorCode* code = jobfile::find_error_code(word)) {
        std::fputs(jobfile::explain_error_code(*code).c_str(), stdout);
        return ExitCode::kDone;
    }
    fmt::print(stderr, "millrace: there is no code {}. The nearest is {}\n", word,
               jobfile::nearest_error_code(word).code);
    return ExitCode::kUsage;
}

}  // namespace

config::ReportForm form_of(const CommandLine& line) {
    if (line.format == "github") return config::ReportForm::kGithub;
    return line.output == OutputForm::kJson ? config::ReportForm::kJson : config::ReportForm::kText;
}

std::expected<jobfile::Validation, ExitCode> read_job(
    const CommandLine& line, const jobfile::ExpressionChecker* expressions) {
    if (line.files.size() > 1) {
        fmt::print(stderr, "millrace: one job at a time; layers of one job are given with -f\n");
        return std::unexpected(ExitCode::kUsage);
    }
    auto texts = read_texts(line.layers.empty() ? line.files : line.layers);
    if (!texts) return std::unexpected(texts.error());
    jobfile::Validation validation = jobfile::validate(*texts, options_of(line, expressions));
    const std::string report =
        config::report(validation.diagnostics, validation.sources, form_of(line));
    if (!validation.diagnostics.empty()) std::fputs(report.c_str(), stderr);
    if (validation.job == nullptr) return std::unexpected(ExitCode::kBadConfig);
    return validation;
}

ExitCode validate_files(const CommandLine& line, const jobfile::ExpressionChecker* expressions) {
    if (!line.layers.empty()) return validate_one(line, line.layers, expressions);
    ExitCode worst = ExitCode::kDone;
    for (const std::string& path : line.files) {
        const ExitCode code = validate_one(line, {path}, expressions);
        if (code != ExitCode::kDone) worst = code;
    }
    return worst;
}

ExitCode render_job(const CommandLine& line, const jobfile::ExpressionChecker* expressions) {
    const auto validation = read_job(line, expressions);
    if (!validation) return validation.error();
    std::fputs(jobfile::render(*validation->job, validation->places).c_str(), stdout);
    return ExitCode::kDone;
}

ExitCode explain(const CommandLine& line, const jobfile::ExpressionChecker* expressions,
                 const SumMemory& sum_memory) {
    if (line.files.size() == 1 && is_code_like(line.files.front()))
        return explain_code(line.files.front());
    const auto validation = read_job(line, expressions);
    if (!validation) return validation.error();
    const proto::Job& job = *validation->job;
    const auto sums = sum_memory(line, job);
    if (!sums) return exit_with(sums.error());
    if (line.output == OutputForm::kJson) {
        fmt::print("{}\n", json_of(*sums, job.name()));
    } else {
        print_job(job, *sums);
        fmt::print("{}", text_of(*sums));
    }
    if (!sums->is_refused()) return ExitCode::kDone;
    fmt::print(stderr, "millrace: job {} would be refused\n", job.name());
    return ExitCode::kBadConfig;
}

}  // namespace millrace::cli
