// The verbs that talk to a JobManager over REST.
//
// Threads:    main's; calls block with a deadline.
// Failure:    the server's own words are printed; exit codes as exit_codes.h says.

#pragma once

#include "runtime/cli/command_line.h"
#include "runtime/jobfile/validate.h"

namespace millrace::cli {

ExitCode submit_job(const CommandLine& line, const jobfile::ExpressionChecker* expressions);
ExitCode list_jobs(const CommandLine& line);
ExitCode describe_job(const CommandLine& line);
ExitCode cancel_job(const CommandLine& line);

}  // namespace millrace::cli
