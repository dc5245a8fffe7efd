#include "runtime/process/job_roles.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>

#include <fmt/core.h>

#include "memory/system_memory.h"
#include "proto/job.pb.h"
#include "runtime/base/log.h"
#include "runtime/cli/job_documents.h"
#include "runtime/process/document_reader.h"
#include "runtime/process/foreground_job.h"
#include "runtime/process/node.h"

namespace millrace::process {
namespace {

using cli::ExitCode;

Status write_ports(const std::string& path, const Node& node, std::uint16_t control) {
    if (path.empty()) return {};
    std::ofstream file(path + ".partial", std::ios::trunc);
    file << "rest=" << node.rest_port() << "\ncontrol=" << control << "\n";
    file.close();
    if (!file || std::rename((path + ".partial").c_str(), path.c_str()) != 0) {
        const int cause = errno;
        return fail(cause == EACCES ? Code::kPermissionDenied : Code::kInvalidArgument,
                    "cannot write the port file {}: {}", path, std::strerror(cause));
    }
    return {};
}

// Whoever reads the output may go: a job that prints fails then, and not the process with all jobs.
void outlive_readers() { std::signal(SIGPIPE, SIG_IGN); }

Status start_jobmanager(Node& node, const cli::CommandLine& line, const Settings& settings,
                        const jobfile::ExpressionChecker* expressions) {
    outlive_readers();
    MILLRACE_TRY_ASSIGN(const auto budget, jobmanager_budget_of(settings));
    MILLRACE_TRY_ASSIGN(auto clusters, kafka_clusters_of(line, settings));
    std::vector<std::string> names;
    names.reserve(clusters.size());
    for (const operators::KafkaConnection& cluster : clusters) names.push_back(cluster.name);
    node.environment().offer_clusters(std::move(clusters));
    MILLRACE_TRY(node.start_jobmanager(line, line.server,
                                       document_reader(line, std::move(names), expressions)));
    MILLRACE_TRY(write_ports(line.port_file, node, node.jobmanager().port()));
    for (const std::string& warning : budget.warnings) log::warn("{}", warning);
    log::info("JobManager: REST at port {}, TaskManagers at port {}", node.rest_port(),
              node.jobmanager().port());
    return {};
}

Status start_taskmanager(Node& node, const cli::CommandLine& line, const Settings& settings,
                         const net::Address& jobmanager) {
    outlive_readers();
    MILLRACE_TRY_ASSIGN(const auto budget, budget_of(settings, 4));
    MILLRACE_TRY(node.start_taskmanager(line, settings, budget, jobmanager));
    fmt::print(stderr, "{}", budget.table());
    const bool is_touched = budget.prefault == memory::MappedRegion::Prefault::kYes;
    return budget.check_idle_resident(memory::resident_bytes(memory::SystemFiles{}).value_or(0),
                                      is_touched ? budget.managed.bytes + budget.network.bytes : 0);
}

}  // namespace

ExitCode run_jobmanager(const cli::CommandLine& line,
                        const jobfile::ExpressionChecker* expressions) {
    const auto settings = read_settings(line);
    if (!settings) return exit_with(settings.error());
    Node node;
    if (Status started = start_jobmanager(node, line, *settings, expressions); !started)
        return exit_with(started.error());
    node.run();
    return ExitCode::kDone;
}

ExitCode run_taskmanager(const cli::CommandLine& line) {
    const auto settings = read_settings(line);
    if (!settings) return exit_with(settings.error());
    Node node;
    const auto jobmanager = net::parse_address(line.jobmanager, 6123);
    if (!jobmanager) return exit_with(jobmanager.error());
    if (Status started = start_taskmanager(node, line, *settings, *jobmanager); !started)
        return exit_with(started.error());
    node.run();
    return ExitCode::kDone;
}

ExitCode run_local(const cli::CommandLine& line, const jobfile::ExpressionChecker* expressions) {
    const auto settings = read_settings(line);
    if (!settings) return exit_with(settings.error());
    Node node;
    if (Status started = start_jobmanager(node, line, *settings, expressions); !started)
        return exit_with(started.error());
    const net::Address jobmanager{"127.0.0.1", node.jobmanager().port()};
    if (Status started = start_taskmanager(node, line, *settings, jobmanager); !started)
        return exit_with(started.error());
    node.run();
    return ExitCode::kDone;
}

namespace {

// The cluster `default` is the local broker when neither the job nor this process says where it is.
cli::CommandLine with_local_broker(cli::CommandLine line, const Settings& settings,
                                   const proto::Job& job) {
    const bool is_named =
        std::ranges::any_of(job.kafka().clusters(), [](const proto::KafkaCluster& cluster) {
            return cluster.name() == operators::kDefaultKafkaCluster;
        });
    if (line.kafka.empty() && !is_named && !find_setting(settings, kDefaultBrokersKey))
        line.kafka = "localhost:9092";
    return line;
}

// Each problem under the line of the user's file that it is about.
std::string words_of(const jobmanager::JobRefusal& refusal, const jobfile::Validation& validation,
                     config::ReportForm form) {
    if (refusal.problems.empty()) return fmt::format("millrace: {}\n", refusal.cause.message);
    std::vector<config::Diagnostic> diagnostics;
    diagnostics.reserve(refusal.problems.size());
    for (const jobmanager::JobProblem& problem : refusal.problems)
        diagnostics.push_back({.code = problem.code,
                               .mark = validation.places.value_of(problem.path),
                               .path = problem.path,
                               .message = problem.message,
                               .fix = problem.fix});
    config::sort_by_place(diagnostics);
    return config::report(diagnostics, validation.sources, form);
}

}  // namespace

ExitCode run_job(const cli::CommandLine& line, const jobfile::ExpressionChecker* expressions) {
    auto validation = cli::read_job(line, expressions);
    if (!validation) return validation.error();
    const auto settings = read_settings(line);
    if (!settings) return exit_with(settings.error());
    auto clusters =
        kafka_clusters_of(with_local_broker(line, *settings, *validation->job), *settings);
    if (!clusters) return exit_with(clusters.error());
    ForegroundJob job(line, *settings, *std::move(clusters));
    job.on_refusal([&, form = cli::form_of(line)](const jobmanager::JobRefusal& refusal) {
        return words_of(refusal, *validation, form);
    });
    return job.run(std::move(*validation->job), validation->resolved);
}

}  // namespace millrace::process
