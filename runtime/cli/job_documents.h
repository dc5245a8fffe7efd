// Reads job files for the verbs: files and layers in, a validated job or printed diagnostics out.
//
// Threads:    main's.
// Failure:    diagnostics on standard error (or as asked), and the exit code.

#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "runtime/cli/command_line.h"
#include "runtime/cli/memory_sums.h"
#include "runtime/jobfile/validate.h"

namespace millrace::proto {
class Job;
}

namespace millrace::cli {

// The job that `line` names by its one file or its layers. On failure everything was printed.
std::expected<jobfile::Validation, ExitCode> read_job(
    const CommandLine& line, const jobfile::ExpressionChecker* expressions);

// How diagnostics are printed: as text, or as `line` asks.
[[nodiscard]] config::ReportForm form_of(const CommandLine& line);

// The verbs that need no server.
ExitCode validate_files(const CommandLine& line, const jobfile::ExpressionChecker* expressions);
ExitCode render_job(const CommandLine& line, const jobfile::ExpressionChecker* expressions);
// A job's graph, slots and memory; or one error code.
ExitCode explain(const CommandLine& line, const jobfile::ExpressionChecker* expressions,
                 const SumMemory& sum_memory);

}  // namespace millrace::cli
