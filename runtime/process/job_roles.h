// The roles of the binary that run processes: JobManager, TaskManager, both, a job in the
// foreground, the demo. Puts the folders together; nothing else may depend on it.
//
// Threads:    main's becomes the control thread.
// Failure:    one line on standard error with what to do, and an exit code of sysexits.h.

#pragma once

#include "runtime/cli/command_line.h"
#include "runtime/jobfile/expression_checker.h"

namespace millrace::process {

cli::ExitCode run_jobmanager(const cli::CommandLine& line,
                             const jobfile::ExpressionChecker* expressions);
cli::ExitCode run_taskmanager(const cli::CommandLine& line);
cli::ExitCode run_local(const cli::CommandLine& line,
                        const jobfile::ExpressionChecker* expressions);
// `millrace run F`: everything in this process, until the job ends.
cli::ExitCode run_job(const cli::CommandLine& line, const jobfile::ExpressionChecker* expressions);
cli::ExitCode run_demo(const cli::CommandLine& line, const jobfile::ExpressionChecker* expressions);

}  // namespace millrace::process
