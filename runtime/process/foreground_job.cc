#include "runtime/process/foreground_job.h"

#include <algorithm>

#include <fmt/core.h>

#include "runtime/graph/job_graph.h"

namespace millrace::process {
namespace {

using cli::ExitCode;

constexpr Duration kReadyPollEvery = std::chrono::milliseconds(5);
constexpr Duration kWatchEvery = std::chrono::milliseconds(100);
constexpr int kWatchesPerDraw = 10;

}  // namespace

Status ForegroundJob::start(const proto::Job& job, const operators::KafkaConnection& kafka) {
    MILLRACE_TRY_ASSIGN(const Settings settings, read_settings(line_));
    node_.emplace();
    node_->environment().set_default_cluster(kafka);
    cli::CommandLine line = line_;
    line.jobmanager = "127.0.0.1:0";
    line.data = "127.0.0.1:0";
    if (line.log_level == "info") line.log_level = "warn";
    MILLRACE_TRY(node_->start_jobmanager(line, "", nullptr));
    MILLRACE_TRY_ASSIGN(auto graph, graph::plan(job));
    std::uint32_t slots = graph.slots_needed();
    for (const proto::Job& side_job : side_jobs_) {
        MILLRACE_TRY_ASSIGN(graph, graph::plan(side_job));
        slots += graph.slots_needed();
    }
    MILLRACE_TRY_ASSIGN(const auto budget, budget_of(settings, slots));
    return node_->start_taskmanager(line, settings, budget,
                                    {"127.0.0.1", node_->jobmanager().port()});
}

ExitCode ForegroundJob::run(proto::Job job, std::string document,
                            const operators::KafkaConnection& kafka) {
    if (Status started = start(job, kafka); !started) return exit_with(started.error());
    const auto prints = [](const proto::Sink& sink) { return sink.has_print(); };
    table_.emplace(node_->clock(), std::ranges::any_of(job.sinks(), prints));
    if (line_.seconds > 0) deadline_ = node_->clock().now() + std::chrono::seconds(line_.seconds);
    submit_when_ready(std::move(job), std::move(document));
    node_->run();
    if (!code_ && node_->was_interrupted()) code_ = ExitCode::kInterrupted;
    if (id_) {
        if (const auto entry = node_->jobmanager().find(id_->to_string())) table_->finish(**entry);
    }
    node_.reset();
    return code_.value_or(ExitCode::kFailed);
}

void ForegroundJob::submit_when_ready(proto::Job job, std::string document) {
    if (!node_->taskmanager().is_registered()) {
        node_->loop().post_after(kReadyPollEvery,
                                 [this, job = std::move(job), document = std::move(document)] {
                                     submit_when_ready(job, document);
                                 });
        return;
    }
    submit_side_jobs(0, [this, job = std::move(job), document = std::move(document)] {
        node_->jobmanager().submit(job, document, [this](Result<JobId> submitted) {
            if (!submitted) return end(exit_with(submitted.error()));
            id_ = *submitted;
            watch();
        });
    });
}

void ForegroundJob::submit_side_jobs(std::size_t next, std::function<void()> then) {
    if (next == side_jobs_.size()) return then();
    node_->jobmanager().submit(side_jobs_[next], "",
                               [this, next, then = std::move(then)](Result<JobId> submitted) {
                                   if (!submitted) return end(exit_with(submitted.error()));
                                   submit_side_jobs(next + 1, then);
                               });
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
