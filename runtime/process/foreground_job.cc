#include "runtime/process/foreground_job.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "runtime/base/random.h"
#include "runtime/graph/job_graph.h"
#include "runtime/jobmanager/restart_policy.h"

namespace millrace::process {
namespace {

using cli::ExitCode;

constexpr Duration kReadyPollEvery = std::chrono::milliseconds(5);
constexpr Duration kWatchEvery = std::chrono::milliseconds(100);
constexpr int kWatchesPerDraw = 10;

// What may be mended while the job waits: a broker that is away, a topic or right that is missing.
bool may_pass(Code code) {
    return code == Code::kUnavailable || code == Code::kDeadlineExceeded ||
           code == Code::kNotFound || code == Code::kPermissionDenied;
}

}  // namespace

ForegroundJob::ForegroundJob(const cli::CommandLine& line, Settings settings,
                             std::vector<operators::KafkaConnection> clusters)
    : line_(line), settings_(std::move(settings)), clusters_(std::move(clusters)) {}

Status ForegroundJob::start() {
    node_.emplace();
    node_->environment().offer_clusters(std::move(clusters_));
    cli::CommandLine line = line_;
    line.jobmanager = "127.0.0.1:0";
    line.data = "127.0.0.1:0";
    if (line.log_level == "info") line.log_level = "warn";
    MILLRACE_TRY(node_->start_jobmanager(line, "", nullptr));
    MILLRACE_TRY_ASSIGN(auto graph, graph::plan(job_));
    std::uint32_t slots = graph.slots_needed();
    for (const proto::Job& side_job : side_jobs_) {
        MILLRACE_TRY_ASSIGN(graph, graph::plan(side_job));
        slots += graph.slots_needed();
    }
    MILLRACE_TRY_ASSIGN(const auto budget, budget_of(settings_, slots));
    return node_->start_taskmanager(line, settings_, budget,
                                    {"127.0.0.1", node_->jobmanager().port()});
}

ExitCode ForegroundJob::run(proto::Job job, std::string document) {
    job_ = std::move(job);
    document_ = std::move(document);
    if (Status started = start(); !started) return exit_with(started.error());
    const auto prints = [](const proto::Sink& sink) { return sink.has_print(); };
    table_.emplace(node_->clock(), std::ranges::any_of(job_.sinks(), prints));
    if (line_.seconds > 0) deadline_ = node_->clock().now() + std::chrono::seconds(line_.seconds);
    submit_when_ready();
    node_->run();
    if (!code_ && node_->was_interrupted()) code_ = ExitCode::kInterrupted;
    if (id_) {
        if (const auto entry = node_->jobmanager().find(id_->to_string())) table_->finish(**entry);
    }
    node_.reset();
    return code_.value_or(ExitCode::kFailed);
}

void ForegroundJob::submit_when_ready() {
    if (node_->taskmanager().is_registered()) return submit_side_jobs(0);
    node_->loop().post_after(kReadyPollEvery, [this] { submit_when_ready(); });
}

void ForegroundJob::submit_side_jobs(std::size_t next) {
    if (next == side_jobs_.size()) return submit();
    const auto go_on = [this, next](const jobmanager::JobManager::Submitted& submitted) {
        if (!submitted) return end(exit_with(submitted.error().cause));
        submit_side_jobs(next + 1);
    };
    node_->jobmanager().submit(side_jobs_[next], "", go_on);
}

void ForegroundJob::submit() {
    const auto go_on = [this](const jobmanager::JobManager::Submitted& submitted) {
        if (!submitted) return try_again_or_end(submitted.error());
        id_ = *submitted;
        watch();
    };
    node_->jobmanager().submit(job_, document_, go_on);
}

void ForegroundJob::try_again_or_end(const jobmanager::JobRefusal& refusal) {
    const std::string words =
        words_ ? words_(refusal) : fmt::format("millrace: {}\n", refusal.cause.message);
    if (words != last_refusal_) fmt::print(stderr, "{}", words);
    last_refusal_ = words;
    const jobmanager::RestartPolicy policy = jobmanager::restart_policy_of(job_);
    ++refusals_;
    if (!may_pass(refusal.cause.code) || refusals_ > policy.give_up_after) {
        if (refusals_ > 1) fmt::print(stderr, "millrace: given up after {} attempts\n", refusals_);
        return end(cli::exit_code_of(refusal.cause.code));
    }
    Random random(static_cast<std::uint64_t>(node_->clock().wall_ms()));
    const Duration wait = jobmanager::backoff_after(policy, refusals_, random);
    fmt::print(stderr, "millrace: the job is tried again in {:.1f} s ({} of {})\n",
               std::chrono::duration<double>(wait).count(), refusals_, policy.give_up_after);
    node_->loop().post_after(wait, [this] { submit(); });
}

void ForegroundJob::watch() {
    node_->loop().post_after(kWatchEvery, [this] {
        const auto found = node_->jobmanager().find(id_->to_string());
        if (!found) return end(ExitCode::kFailed);
        const jobmanager::JobEntry& entry = **found;
        if (is_final(entry.master.state())) {
            if (entry.master.state() != jobmanager::JobState::kFailed) return end(ExitCode::kDone);
            fmt::print(stderr, "millrace: the job failed: {}\n",
                       entry.master.failures().back().cause.message);
            return end(ExitCode::kFailed);
        }
        if (node_->clock().now() >= deadline_) {
            deadline_ = TimePoint::max();
            (void)node_->jobmanager().cancel(*id_);
        }
        if (auto news = news_ ? news_() : std::nullopt) table_->announce(*news);
        if (++watches_ % kWatchesPerDraw == 0) table_->draw(entry);
        watch();
    });
}

void ForegroundJob::end(ExitCode code) {
    code_ = code;
    node_->stop();
}

}  // namespace millrace::process
