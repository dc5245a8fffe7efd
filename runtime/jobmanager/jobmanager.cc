#include "runtime/jobmanager/jobmanager.h"

#include <algorithm>

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/jobmanager/job_findings.h"
#include "runtime/net/control_message.h"

namespace millrace::jobmanager {
namespace {

bool is_source_vertex(const graph::JobGraph& graph, std::uint32_t vertex) {
    return graph.operators[graph.vertices[vertex].operators.front()].kind ==
           graph::OperatorKind::kSource;
}

Code code_named(std::string_view name) {
    for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i) {
        if (to_string(static_cast<Code>(i)) == name) return static_cast<Code>(i);
    }
    return Code::kInternal;
}

// For what no line of the job file is to blame.
void refuse(const JobManager::OnSubmitted& done, Error cause) {
    done(std::unexpected(JobRefusal{std::move(cause), {}}));
}

}  // namespace

struct JobManager::Submission {
    proto::Job job;
    std::string document;
    OnSubmitted done;
    std::expected<JobFindings, JobRefusal> findings = JobFindings{};
};

JobManager::JobManager(net::EventLoop& loop, const Clock& clock, metrics::Registry& metrics,
                       SplitDirectory& directory, const CapacityPlan& capacity,
                       RunBlocking run_blocking, Options options)
    : loop_(loop),
      clock_(clock),
      directory_(directory),
      capacity_(capacity),
      run_blocking_(std::move(run_blocking)),
      options_(std::move(options)),
      metrics_(metrics, {{"host", options_.address.host}}),
      random_(options_.seed) {
    net::ControlServer::Options server{.self = {.role = net::Role::kJobManager,
                                                .leader_epoch = options_.epoch,
                                                .cluster = options_.cluster,
                                                .process_id = "jobmanager"},
                                       .messages = net::control_message_rules(),
                                       .scope = options_.scope};
    net::ControlCallbacks callbacks{
        .on_open = [](const net::ControlHandle&) {},
        .on_message = [this](const net::ControlHandle& c, std::uint16_t,
                             std::string_view payload) { on_message(c, payload); },
        .on_closed = [this](const net::ControlHandle& c,
                            const Error& reason) { on_closed(c, reason); }};
    server_ = std::make_unique<net::ControlServer>(loop_, clock_, metrics_, std::move(server),
                                                   std::move(callbacks));
    metrics_.gauge_of("flink_jobmanager_numRegisteredTaskManagers",
                      "numRegisteredTaskManagers (scope: jobmanager)",
                      [this] { return static_cast<double>(registry_.all().size()); });
    metrics_.gauge_of("flink_jobmanager_taskSlotsTotal", "taskSlotsTotal (scope: jobmanager)",
                      [this] { return static_cast<double>(registry_.slots_total()); });
    metrics_.gauge_of("flink_jobmanager_taskSlotsAvailable",
                      "taskSlotsAvailable (scope: jobmanager)",
                      [this] { return static_cast<double>(registry_.slots_free()); });
    metrics_.gauge_of("flink_jobmanager_numRunningJobs", "numRunningJobs (scope: jobmanager)",
                      [this] {
                          return static_cast<double>(
                              std::count_if(jobs_.begin(), jobs_.end(), [](const auto& entry) {
                                  return entry.second->master.state() == JobState::kRunning;
                              }));
                      });
}

JobManager::~JobManager() { stop(); }

Status JobManager::start() {
    MILLRACE_TRY(server_->listen(options_.address));
    check_heartbeats();
    discover_splits();
    return {};
}

void JobManager::stop() {
    *alive_ = false;
    loop_.cancel(heartbeat_timer_);
    loop_.cancel(discovery_timer_);
    for (auto& [number, entry] : jobs_) loop_.cancel(entry->timer);
    server_->stop(Error{Code::kCancelled, "the JobManager stops"});
}

// ------------------------------------------------------------------------------ TaskManagers

void JobManager::on_message(const net::ControlHandle& connection, std::string_view payload) {
    proto::ControlMessage message;
    if (const Status decoded = net::decode_message(payload, message); !decoded) {
        connection->close(decoded.error());
        return;
    }
    if (message.has_register_taskmanager()) {
        register_taskmanager(connection, message.register_taskmanager());
        return;
    }
    TaskManagerEntry* entry = registry_.find(connection.get());
    if (entry == nullptr) {
        connection->close(Error{Code::kInvalidArgument, "the TaskManager has not registered"});
        return;
    }
    entry->checks_silent = 0;
    entry->heard_wall_ms = clock_.wall_ms();
    const std::string id = entry->description.taskmanager_id();
    if (message.has_heartbeat()) {
        take_heartbeat(*entry, message.heartbeat());
    } else if (message.has_deployed()) {
        const proto::Deployed& deployed = message.deployed();
        JobEntry* job = entry_of(deployed.job_id());
        if (job == nullptr) return;
        const Attempt attempt{deployed.attempt()};
        act(*job, deployed.error_code().empty()
                      ? job->master.deployed(attempt, id, clock_.now(), clock_.wall_ms())
                      : job->master.build_failed(
                            attempt, Error{code_named(deployed.error_code()), deployed.error()},
                            clock_.now(), clock_.wall_ms()));
    } else if (message.has_task_state_changed()) {
        if (!take_task_state(message.task_state_changed()))
            connection->close(Error{Code::kCorruption, "the report is about a task that is not"});
    } else if (message.has_attempt_closed()) {
        const proto::AttemptClosed& closed = message.attempt_closed();
        if (!closed.leak().empty()) log::error("TaskManager {}: {}", id, closed.leak());
        JobEntry* job = entry_of(closed.job_id());
        if (job == nullptr) return;
        act(*job, job->master.attempt_closed(Attempt{closed.attempt()}, id, clock_.now(),
                                             clock_.wall_ms()));
    }
}

void JobManager::register_taskmanager(const net::ControlHandle& connection,
                                      const proto::RegisterTaskManager& message) {
    Status added = check_version(message);
    if (added) added = registry_.add(message, connection, clock_.wall_ms());
    if (!added) {
        log::warn("TaskManager {} is refused: {}", message.taskmanager_id(), added.error().message);
        proto::ControlMessage answer;
        proto::RegistrationRefused& refused = *answer.mutable_registration_refused();
        refused.set_error_code(std::string(to_string(added.error().code)));
        refused.set_error(added.error().message);
        net::send_or_close(*connection, answer);
        connection->close_when_sent(added.error());
        return;
    }
    log::info("TaskManager {} registered: {} slots, data plane at {}", message.taskmanager_id(),
              message.slots(), message.data_address());
    proto::ControlMessage answer;
    auto* registered = answer.mutable_registered();
    registered->set_leader_epoch(static_cast<std::uint64_t>(options_.epoch));
    registered->set_heartbeat_interval_ms(options_.heartbeat_interval /
                                          std::chrono::milliseconds(1));
    registered->set_heartbeat_timeout_ms(options_.heartbeat_timeout / std::chrono::milliseconds(1));
    net::send_or_close(*connection, answer);
    offer_room();
}

// Messages and the sums of memory change from version to version.
Status JobManager::check_version(const proto::RegisterTaskManager& message) const {
    if (message.version() == options_.version) return {};
    return fail(Code::kInvalidArgument,
                "the JobManager is version {}, the TaskManager {}. Hint: run the same version of "
                "millrace in all processes of a cluster",
                options_.version, message.version().empty() ? "unknown" : message.version());
}

void JobManager::take_heartbeat(TaskManagerEntry& entry, const proto::Heartbeat& message) {
    if (message.reports_left_out() > 0 && entry.report.reports_left_out() == 0) {
        log::warn("TaskManager {}: its reports do not fit into a message, {} are left out",
                  entry.description.taskmanager_id(), message.reports_left_out());
    }
    entry.report = message;
    proto::ControlMessage answer;
    answer.mutable_heartbeat_seen();
    net::send_or_close(*entry.connection, answer);
    for (const proto::SubtaskReport& report : message.subtasks()) {
        JobEntry* job = entry_of(report.job_id());
        if (job == nullptr || Attempt{report.attempt()} != job->master.attempt()) continue;
        job->reports[{report.vertex(), report.subtask()}] = report;
    }
    for (const proto::ModelReport& report : message.models()) {
        JobEntry* job = entry_of(report.job_id());
        if (job == nullptr || Attempt{report.attempt()} != job->master.attempt()) continue;
        job->models[report.model()] = report;
    }
}

bool JobManager::take_task_state(const proto::TaskStateChanged& message) {
    JobEntry* job = entry_of(message.job_id());
    if (job == nullptr) return true;
    const auto& vertices = job->master.graph().vertices;
    if (message.vertex() >= vertices.size() ||
        message.subtask() >= vertices[message.vertex()].parallelism)
        return false;
    const Attempt attempt{message.attempt()};
    const TimePoint now = clock_.now();
    const std::int64_t wall_ms = clock_.wall_ms();
    if (message.state() == proto::TASK_STATE_FINISHED) {
        act(*job,
            job->master.task_finished(attempt, message.vertex(), message.subtask(), now, wall_ms));
    } else if (message.state() == proto::TASK_STATE_FAILED) {
        act(*job, job->master.task_failed(attempt, message.vertex(), message.subtask(),
                                          Error{code_named(message.error_code()), message.error()},
                                          now, wall_ms));
    }
    return true;
}

void JobManager::on_closed(const net::ControlHandle& connection, const Error& reason) {
    const TaskManagerEntry* entry = registry_.find(connection.get());
    if (entry != nullptr) lose(entry->description.taskmanager_id(), reason);
}

void JobManager::lose(std::string taskmanager, const Error& cause) {
    log::warn("TaskManager {} is lost: {}", taskmanager, cause.message);
    registry_.remove(taskmanager);
    const Error seen{Code::kUnavailable,
                     "TaskManager " + taskmanager + " is lost: " + cause.message};
    for (auto& [number, entry] : jobs_) {
        act(*entry,
            entry->master.taskmanager_lost(taskmanager, seen, clock_.now(), clock_.wall_ms()));
    }
}

void JobManager::check_heartbeats() {
    const auto checks_max = static_cast<std::uint32_t>(
        std::max<Duration::rep>(1, options_.heartbeat_timeout / options_.heartbeat_interval));
    // The first check may come right after a beat: it does not count.
    for (const std::string& id : registry_.check(checks_max + 1)) {
        const net::ControlHandle connection = registry_.find(id)->connection;
        const Error cause{Code::kDeadlineExceeded,
                          fmt::format("no heartbeat within {} ms",
                                      options_.heartbeat_timeout / std::chrono::milliseconds(1))};
        lose(id, cause);
        connection->close(cause);
    }
    heartbeat_timer_ =
        loop_.post_after(options_.heartbeat_interval, [this] { check_heartbeats(); });
}

// ------------------------------------------------------------------------------------- jobs

bool JobManager::is_running_name(const std::string& name) const {
    return std::any_of(jobs_.begin(), jobs_.end(), [&](const auto& entry) {
        return entry.second->job.name() == name && !is_final(entry.second->master.state());
    });
}

Status JobManager::check_name(const std::string& name) const {
    if (is_running_name(name)) {
        return fail(Code::kAlreadyExists,
                    "a job of this name runs already: {}. Hint: cancel it first, or change `name`",
                    name);
    }
    const auto running = std::count_if(jobs_.begin(), jobs_.end(), [](const auto& entry) {
        return !is_final(entry.second->master.state());
    });
    if (static_cast<std::size_t>(running) >= kJobsMax) {
        return fail(Code::kResourceExhausted, "a JobManager runs at most {} jobs", kJobsMax);
    }
    return {};
}

void JobManager::submit(proto::Job job, std::string document, OnSubmitted done) {
    MILLRACE_CHECK(loop_.is_current_thread());
    if (Status name = check_name(job.name()); !name) return refuse(done, std::move(name).error());
    auto graph = graph::plan(job);
    if (!graph) return refuse(done, std::move(graph).error());
    if (auto fitting = fit(job, *graph); !fitting) {
        return refuse(done, std::move(fitting).error());
    }
    auto submission = std::make_shared<Submission>();
    submission->job = std::move(job);
    submission->document = std::move(document);
    submission->done = std::move(done);
    Status queued = run_blocking_([this, submission, alive = alive_] {
        submission->findings = look_around(directory_, submission->job);
        loop_.post([this, submission, alive] {
            if (*alive) accept(submission);
        });
    });
    if (!queued) refuse(submission->done, std::move(queued).error());
}

void JobManager::accept(const std::shared_ptr<Submission>& submission) {
    if (!submission->findings) {
        return submission->done(std::unexpected(std::move(submission->findings).error()));
    }
    // Another job, of this name or in its place, may have come while the directory was asked.
    if (Status name = check_name(submission->job.name()); !name) {
        return refuse(submission->done, std::move(name).error());
    }
    auto graph = graph::plan(submission->job);
    MILLRACE_CHECK(graph.has_value());
    if (auto fitting = fit(submission->job, *graph); !fitting) {
        return refuse(submission->done, std::move(fitting).error());
    }
    const JobId id{random_.next(), random_.next()};
    const RestartPolicy policy = restart_policy_of(submission->job);
    auto entry =
        std::make_unique<JobEntry>(std::move(submission->job), std::move(submission->document),
                                   JobMaster(id, std::move(*graph), policy, random_.next()));
    entry->kafka = std::move(submission->findings->kafka);
    entry->submitted_ms = clock_.wall_ms();
    for (auto& [source, splits] : submission->findings->splits) {
        if (auto added = entry->splits.add(source, std::move(splits)); !added) {
            return refuse(submission->done, std::move(added).error());
        }
    }
    JobEntry& job = *entry;
    forget_old_jobs();
    jobs_.emplace(next_job_++, std::move(entry));
    log::info("job {} ({}) is accepted", job.job.name(), id.to_string());
    submission->done(id);
    act(job, job.master.submit(clock_.now(), clock_.wall_ms()));
}

Status JobManager::cancel(JobId id) {
    JobEntry* entry = entry_of(id.to_string());
    if (entry == nullptr) return fail(Code::kNotFound, "no such job: {}", id.to_string());
    if (is_final(entry->master.state())) {
        return fail(Code::kInvalidArgument, "the job has ended already: {} is {}",
                    entry->job.name(), to_string(entry->master.state()));
    }
    act(*entry, entry->master.cancel(clock_.now(), clock_.wall_ms()));
    return {};
}

void JobManager::act(JobEntry& entry, const Actions& actions) {
    for (const Action& action : actions) {
        if (std::holds_alternative<PlaceAndDeploy>(action)) {
            place_and_deploy(entry);
        } else if (std::holds_alternative<StartTasks>(action)) {
            proto::ControlMessage message;
            message.mutable_start_tasks()->set_job_id(entry.master.id().to_string());
            message.mutable_start_tasks()->set_attempt(
                static_cast<std::uint32_t>(entry.master.attempt()));
            broadcast(entry, message);
        } else if (std::holds_alternative<CancelTasks>(action)) {
            proto::ControlMessage message;
            message.mutable_cancel_tasks()->set_job_id(entry.master.id().to_string());
            message.mutable_cancel_tasks()->set_attempt(
                static_cast<std::uint32_t>(entry.master.attempt()));
            broadcast(entry, message);
        } else if (std::holds_alternative<CloseAttempt>(action)) {
            registry_.release(entry.master.id());
            offer_room();
        } else if (std::holds_alternative<ReportEnd>(action)) {
            log::info("job {} is {}", entry.job.name(), to_string(entry.master.state()));
        }
    }
    if (actions.empty()) return;
    if (entry.master.state() == JobState::kRestarting) {
        log::warn(
            "job {} failed and will be tried again from the offsets of its first deployment, with "
            "empty models: {}",
            entry.job.name(), entry.master.failures().back().cause.message);
    }
    arm_timer(entry);
    if (listener_) listener_(entry);
}

Result<JobManager::Fitting> JobManager::fit(const proto::Job& job,
                                            const graph::JobGraph& graph) const {
    const std::vector<graph::SlotOffer> offers = registry_.offers();
    Fitting fitting;
    MILLRACE_TRY_ASSIGN(fitting.placements, graph::schedule(graph, offers));
    // The TaskManagers that get something, numbered anew.
    for (graph::Placement& p : fitting.placements) {
        const std::string& id = offers[p.taskmanager].taskmanager;
        const auto at = std::find(fitting.taskmanagers.begin(), fitting.taskmanagers.end(), id);
        p.taskmanager = static_cast<std::uint32_t>(at - fitting.taskmanagers.begin());
        if (at == fitting.taskmanagers.end()) fitting.taskmanagers.push_back(id);
    }
    for (std::uint32_t i = 0; i < fitting.taskmanagers.size(); ++i) {
        const TaskManagerEntry& entry = registry_.all().at(fitting.taskmanagers[i]);
        MILLRACE_TRY_ASSIGN(
            const CapacityClaim claim,
            capacity_.claim(job, graph, fitting.placements, i, entry.description, entry.claimed()));
        fitting.claims.push_back(claim);
    }
    return fitting;
}

void JobManager::place_and_deploy(JobEntry& entry) {
    entry.reports.clear();
    entry.models.clear();
    auto fitting = fit(entry.job, entry.master.graph());
    if (!fitting && fitting.error().code == Code::kResourceExhausted)
        return wait_for_room(entry, fitting.error().message);
    if (!fitting) {
        return act(entry,
                   entry.master.deploy_failed(entry.master.attempt(), std::move(fitting).error(),
                                              clock_.now(), clock_.wall_ms()));
    }
    const JobId id = entry.master.id();
    for (const graph::Placement& p : fitting->placements)
        registry_.take(fitting->taskmanagers[p.taskmanager], p.slot, id);
    for (std::size_t i = 0; i < fitting->taskmanagers.size(); ++i)
        registry_.claim(fitting->taskmanagers[i], id, fitting->claims[i]);
    entry.master.placed(std::move(fitting->placements), std::move(fitting->taskmanagers));
    send_deploy(entry);
}

void JobManager::wait_for_room(JobEntry& entry, const std::string& missing) {
    if (entry.master.missing_room() != missing)
        log::warn("job {} waits for room: {}", entry.job.name(), missing);
    entry.master.wait_for_room(entry.master.attempt(), missing);
}

void JobManager::offer_room() {
    loop_.post([this, alive = alive_] {
        if (!*alive) return;
        for (auto& [number, entry] : jobs_) act(*entry, entry->master.room_changed());
    });
}

void JobManager::send_deploy(JobEntry& entry) {
    proto::ControlMessage message;
    proto::DeployTasks& deploy = *message.mutable_deploy_tasks();
    deploy.set_job_id(entry.master.id().to_string());
    deploy.set_attempt(static_cast<std::uint32_t>(entry.master.attempt()));
    deploy.set_job(entry.job.SerializeAsString());
    *deploy.mutable_kafka() = {entry.kafka.begin(), entry.kafka.end()};
    for (const graph::Placement& p : entry.master.placements()) {
        proto::PlacedSubtask& placed = *deploy.add_placements();
        placed.set_vertex(p.vertex);
        placed.set_subtask(p.subtask);
        placed.set_taskmanager(p.taskmanager);
        placed.set_slot(p.slot);
    }
    for (const std::string& id : entry.master.taskmanagers()) {
        proto::TaskManagerAddress& address = *deploy.add_taskmanagers();
        address.set_taskmanager_id(id);
        address.set_data_address(registry_.find(id)->description.data_address());
    }
    const graph::JobGraph& graph = entry.master.graph();
    for (std::uint32_t vertex = 0; vertex < graph.vertices.size(); ++vertex) {
        if (!is_source_vertex(graph, vertex)) continue;
        for (const proto::SourceSplits& splits : entry.splits.assign(graph, vertex))
            *deploy.add_splits() = splits;
    }
    for (std::uint32_t i = 0; i < entry.master.taskmanagers().size(); ++i) {
        deploy.set_self(i);
        TaskManagerEntry* taskmanager = registry_.find(entry.master.taskmanagers()[i]);
        const net::ControlHandle connection = taskmanager->connection;
        const Status sent = net::send_message(*connection, message);
        // A connection that breaks here is reported by on_closed, which fails the attempt.
        if (sent || !connection->is_open()) continue;
        return act(entry, entry.master.build_failed(
                              entry.master.attempt(),
                              Error(sent.error()).with_context("the job cannot be deployed"),
                              clock_.now(), clock_.wall_ms()));
    }
}

void JobManager::broadcast(JobEntry& entry, const proto::ControlMessage& message) {
    for (const std::string& id : entry.master.taskmanagers()) {
        TaskManagerEntry* taskmanager = registry_.find(id);
        if (taskmanager != nullptr) net::send_or_close(*taskmanager->connection, message);
    }
}

void JobManager::arm_timer(JobEntry& entry) {
    loop_.cancel(entry.timer);
    if (entry.master.next_event() == TimePoint::max()) return;
    const Duration wait = std::max(entry.master.next_event() - clock_.now(), Duration::zero());
    entry.timer = loop_.post_after(
        wait, [this, &entry] { act(entry, entry.master.tick(clock_.now(), clock_.wall_ms())); });
}

void JobManager::forget_old_jobs() {
    auto ended =
        static_cast<std::size_t>(std::count_if(jobs_.begin(), jobs_.end(), [](const auto& entry) {
            return is_final(entry.second->master.state());
        }));
    for (auto it = jobs_.begin(); it != jobs_.end() && ended > kHistoryMax;) {
        const bool drop = is_final(it->second->master.state());
        ended -= drop ? 1 : 0;
        if (drop) registry_.release(it->second->master.id());
        it = drop ? jobs_.erase(it) : std::next(it);
    }
}

void JobManager::discover_splits() {
    for (auto& [number, entry] : jobs_) {
        if (entry->master.state() != JobState::kRunning) continue;
        const Status queued = run_blocking_([this, alive = alive_,
                                             id = entry->master.id().to_string(),
                                             job = entry->job] {
            for (int source = 0; source < job.sources_size(); ++source) {
                auto found = directory_.look_again(job, source);
                if (!found)
                    continue;  // An outage is the sources' to report; the next round looks again.
                loop_.post([this, alive, id, source, splits = std::move(*found)] {
                    if (*alive) add_splits(id, source, splits);
                });
            }
        });
        if (!queued) log::warn("new partitions are not looked for: {}", queued.error().message);
    }
    discovery_timer_ = loop_.post_after(options_.discovery_interval, [this] { discover_splits(); });
}

void JobManager::add_splits(const std::string& id, int source,
                            std::vector<proto::SplitAssignment> found) {
    JobEntry* entry = entry_of(id);
    if (entry == nullptr || entry->master.state() != JobState::kRunning) return;
    auto added = entry->splits.add(source, std::move(found));
    if (!added) {
        return log::warn("job {}: new partitions of source {} are not read: {}", entry->job.name(),
                         entry->job.sources(source).name(), added.error().message);
    }
    if (added->empty()) return;
    const graph::JobGraph& graph = entry->master.graph();
    proto::AddSplits add;
    add.set_job_id(id);
    add.set_attempt(static_cast<std::uint32_t>(entry->master.attempt()));
    for (std::uint32_t vertex = 0; vertex < graph.vertices.size(); ++vertex) {
        const graph::OperatorNode& root = graph.operators[graph.vertices[vertex].operators.front()];
        if (root.kind != graph::OperatorKind::kSource || root.declared != source) continue;
        for (const proto::SourceSplits& splits : entry->splits.assign(graph, vertex, *added)) {
            if (splits.splits_size() > 0) *add.add_splits() = splits;
        }
    }
    log::info("job {}: {} new partitions of source {}", entry->job.name(), added->size(),
              entry->job.sources(source).name());
    for (proto::AddSplits& part : cut_to_fit(add, net::kControlContentBytesMax)) {
        proto::ControlMessage message;
        *message.mutable_add_splits() = std::move(part);
        broadcast(*entry, message);
    }
}

JobEntry* JobManager::entry_of(const std::string& id) {
    for (auto& [number, entry] : jobs_) {
        if (entry->master.id().to_string() == id) return entry.get();
    }
    return nullptr;
}

Result<const JobEntry*> JobManager::find(std::string_view name_or_id) const {
    const JobEntry* named = nullptr;
    std::vector<const JobEntry*> prefixed;
    for (const auto& [number, entry] : jobs_) {
        // Of jobs with this name the one that runs, else the one submitted last.
        if (entry->job.name() == name_or_id &&
            (named == nullptr || is_final(named->master.state())))
            named = entry.get();
        if (!name_or_id.empty() && entry->master.id().to_string().starts_with(name_or_id)) {
            prefixed.push_back(entry.get());
        }
    }
    if (named != nullptr) return named;
    if (prefixed.size() == 1) return prefixed.front();
    if (prefixed.size() > 1) {
        return fail(Code::kInvalidArgument, "{} jobs have an id that begins so: {}",
                    prefixed.size(), name_or_id);
    }
    return fail(Code::kNotFound, "no such job: {}. Hint: `millrace list` shows the jobs",
                name_or_id);
}

}  // namespace millrace::jobmanager
