// The one binary: reads the command line and carries one verb out.

#include <exception>

#include <fmt/core.h>

#include "operators/kafka/kafka_settings.h"
#include "runtime/cli/client_verbs.h"
#include "runtime/cli/job_documents.h"
#include "runtime/process/deployment_sums.h"
#include "runtime/process/expression_adapter.h"
#include "runtime/process/job_roles.h"

namespace millrace::process {
namespace {

cli::ExitCode print_version(const cli::CommandLine& line) {
    const std::string kafka = operators::kafka_library_version();
    if (line.output == cli::OutputForm::kJson) {
        fmt::print("{{\"version\":\"{}\",\"librdkafka\":\"{}\",\"compiler\":\"{}\"}}\n",
                   MILLRACE_VERSION, kafka, __VERSION__);
    } else {
        fmt::print("millrace {}\nlibrdkafka {} (found at run time)\ncompiler {}\n",
                   MILLRACE_VERSION, kafka, __VERSION__);
    }
    return cli::ExitCode::kDone;
}

cli::ExitCode carry_out(const cli::CommandLine& line) {
    const ExpressionAdapter expression_adapter;
    const jobfile::ExpressionChecker* const expressions = &expression_adapter;
    switch (line.verb) {
        case cli::Verb::kJobManager:
            return run_jobmanager(line, expressions);
        case cli::Verb::kTaskManager:
            return run_taskmanager(line);
        case cli::Verb::kLocal:
            return run_local(line, expressions);
        case cli::Verb::kRun:
            return run_job(line, expressions);
        case cli::Verb::kDemo:
            return run_demo(line, expressions);
        case cli::Verb::kValidate:
            return cli::validate_files(line, expressions);
        case cli::Verb::kExplain:
            return cli::explain(line, expressions, sum_memory);
        case cli::Verb::kRender:
            return cli::render_job(line, expressions);
        case cli::Verb::kSubmit:
            return cli::submit_job(line, expressions);
        case cli::Verb::kList:
            return cli::list_jobs(line);
        case cli::Verb::kDescribe:
            return cli::describe_job(line);
        case cli::Verb::kCancel:
            return cli::cancel_job(line);
        case cli::Verb::kVersion:
            return print_version(line);
    }
    return cli::ExitCode::kUsage;
}

}  // namespace
}  // namespace millrace::process

int main(int argc, char** argv) {
    const millrace::TimePoint started = millrace::SystemClock().now();
    try {
        auto parsed = millrace::cli::parse_command_line(argc, argv);
        if (const auto* code = std::get_if<millrace::cli::ExitCode>(&parsed))
            return static_cast<int>(*code);
        auto& line = std::get<millrace::cli::CommandLine>(parsed);
        line.started = started;
        return static_cast<int>(millrace::process::carry_out(line));
    } catch (const std::exception& error) {
        // Third-party code's exceptions end here; ours do not exist.
        fmt::print(stderr, "millrace: {}\n", error.what());
        return static_cast<int>(millrace::cli::ExitCode::kFailed);
    }
}
