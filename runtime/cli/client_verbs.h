// The verbs that talk to a JobManager over REST.
//
// Threads:    main's; calls block with a deadline.
// Failure:    69 when nobody answers, 78 for a job that is not valid, 1 for a refusal; the server's
//             own words are printed.

#pragma once

#include "runtime/cli/command_line.h"
#include "runtime/jobfile/validate.h"

namespace millrace::cli {

ExitCode submit_job(const CommandLine& line, const jobfile::ExpressionChecker* expressions);
ExitCode list_jobs(const CommandLine& line);
ExitCode describe_job(const CommandLine& line);
ExitCode cancel_job(const CommandLine& line);

}  // namespace millrace::cli
