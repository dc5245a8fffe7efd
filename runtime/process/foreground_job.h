// Runs one job in this process until it ends, with its progress on standard error.
//
// Threads:    the thread that calls run().
// Ownership:  owns JobManager, TaskManager and loop for the time of run().
// Limits:     slots and memory are sized to the job, within the machine.
// Failure:    the job's first cause, printed, and the exit code. A broker, topic or right that is
//             missing may come: the job is tried again as often as its restart policy says.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "proto/job.pb.h"
#include "runtime/cli/command_line.h"
#include "runtime/process/live_table.h"
#include "runtime/process/node.h"
#include "runtime/process/process_settings.h"

namespace millrace::process {

class ForegroundJob {
  public:
    // `clusters` are what the jobs may name.
    ForegroundJob(const cli::CommandLine& line, Settings settings,
                  std::vector<operators::KafkaConnection> clusters);

    // Ends with the job, or when it is refused for good; or after `line.seconds` of a job that was
    // taken, or at the first Ctrl-C, with the job cancelled. REQUIRES: called once.
    cli::ExitCode run(proto::Job job, std::string document);
    // A job that runs beside the main one and before it, for example a generator.
    void add_side_job(proto::Job job) { side_jobs_.push_back(std::move(job)); }
    // In which words a refusal is printed; by default its cause.
    void on_refusal(std::function<std::string(const jobmanager::JobRefusal&)> words) {
        words_ = std::move(words);
    }
    // Asked ten times a second while the job runs; what it answers is printed above the table.
    void on_watch(std::function<std::optional<std::string>()> news) { news_ = std::move(news); }

  private:
    Status start();
    void submit_when_ready();
    void submit_side_jobs(std::size_t next);
    void submit();
    void try_again_or_end(const jobmanager::JobRefusal& refusal);
    void watch();
    void end(cli::ExitCode code);

    const cli::CommandLine& line_;
    const Settings settings_;
    std::vector<operators::KafkaConnection> clusters_;
    proto::Job job_;
    std::string document_;
    std::uint32_t refusals_ = 0;  // In a row.
    std::string last_refusal_;
    std::vector<proto::Job> side_jobs_;
    std::optional<Node> node_;
    std::optional<LiveTable> table_;
    std::function<std::string(const jobmanager::JobRefusal&)> words_;
    std::function<std::optional<std::string>()> news_;
    std::optional<JobId> id_;
    std::optional<cli::ExitCode> code_;
    TimePoint deadline_ = TimePoint::max();
    int watches_ = 0;
};

}  // namespace millrace::process
