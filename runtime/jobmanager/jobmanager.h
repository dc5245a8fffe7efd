// The JobManager: takes jobs, places their tasks on TaskManagers, and keeps them running.
//
// All decisions about one job are JobMaster's; this class connects it with the world: control
// connections, timers, the split directory and the registry of slots. TaskManagers connect to it
// and send a heartbeat every interval, which is answered; one that is silent for the time-out, or
// whose connection breaks, is lost with all its tasks.
//
// Threads:    the control loop's, for everything. Answers of the split directory are posted back
//             to it.
// Ownership:  owns jobs and registry; borrows loop, clock, metrics, directory, capacity plan and
//             blocking pool.
// Limits:     kJobsMax running jobs, kHistoryMax ended ones (the oldest are forgotten).
// Failure:    start() answers for the port. submit() refuses what does not fit, with the numbers.

#pragma once

#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proto/job.pb.h"
#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/base/run_blocking.h"
#include "runtime/jobmanager/capacity_plan.h"
#include "runtime/jobmanager/job_findings.h"
#include "runtime/jobmanager/job_master.h"
#include "runtime/jobmanager/split_directory.h"
#include "runtime/jobmanager/split_plan.h"
#include "runtime/jobmanager/taskmanager_registry.h"
#include "runtime/net/control_channel.h"
#include "runtime/net/event_loop.h"

namespace millrace::jobmanager {

// One job as the JobManager keeps it.
struct JobEntry {
    JobEntry(proto::Job description, std::string text, JobMaster decisions)
        : job(std::move(description)), document(std::move(text)), master(std::move(decisions)) {}

    proto::Job job;
    std::string document;  // The job file as it was submitted.
    JobMaster master;
    SplitPlan splits;
    std::vector<proto::KafkaConnection> kafka;
    // The last reports of this attempt, by vertex and subtask, and by model.
    std::map<std::pair<std::uint32_t, std::uint32_t>, proto::SubtaskReport> reports;
    std::map<std::string, proto::ModelReport> models;
    net::TimerId timer{};
    std::int64_t submitted_ms = 0;
};

class JobManager {
  public:
    static constexpr std::size_t kJobsMax = 1000;
    static constexpr std::size_t kHistoryMax = 100;

    struct Options {
        net::Address address{"127.0.0.1", 6123};
        net::BindScope scope = net::BindScope::kLoopback;
        std::string cluster = "millrace";
        std::string version;  // Of the program; TaskManagers of others are refused.
        LeaderEpoch epoch{1};
        Duration heartbeat_interval = std::chrono::seconds(1);
        Duration heartbeat_timeout = std::chrono::seconds(10);
        Duration discovery_interval = std::chrono::minutes(1);
        std::uint64_t seed = 1;  // Of job ids and of the jitter of restarts.
    };
    using Submitted = std::expected<JobId, JobRefusal>;
    using OnSubmitted = std::function<void(Submitted)>;

    JobManager(net::EventLoop& loop, const Clock& clock, metrics::Registry& metrics,
               SplitDirectory& directory, const CapacityPlan& capacity, RunBlocking run_blocking,
               Options options);
    JobManager(const JobManager&) = delete;
    JobManager& operator=(const JobManager&) = delete;
    ~JobManager();

    // Listens for TaskManagers.
    Status start();
    // Closes all connections; the TaskManagers cancel their tasks. Idempotent.
    void stop();
    [[nodiscard]] std::uint16_t port() const { return server_->port(); }

    // Starts a validated job, or refuses it: name taken, slots, memory, brokers, topics. `done` is
    // called once, later or at once.
    void submit(proto::Job job, std::string document, OnSubmitted done);
    // Errors: kNotFound; kInvalidArgument when it has ended already.
    Status cancel(JobId id);

    // The job with this id, unique prefix of an id, or name (a running one before an ended one).
    // Errors: kNotFound, kInvalidArgument when a prefix fits several.
    [[nodiscard]] Result<const JobEntry*> find(std::string_view name_or_id) const;
    // In the order of submission.
    [[nodiscard]] const std::map<std::uint64_t, std::unique_ptr<JobEntry>>& jobs() const {
        return jobs_;
    }
    [[nodiscard]] const TaskManagerRegistry& taskmanagers() const { return registry_; }
    [[nodiscard]] const Options& options() const { return options_; }
    [[nodiscard]] const Clock& clock() const { return clock_; }

    // Called after every change of a job's state.
    void on_job_changed(std::function<void(const JobEntry&)> listener) {
        listener_ = std::move(listener);
    }

  private:
    struct Submission;
    // Where the tasks of a job would go, and what they take there.
    struct Fitting {
        std::vector<graph::Placement> placements;
        std::vector<std::string> taskmanagers;  // As Placement::taskmanager counts.
        std::vector<CapacityClaim> claims;      // Of each of them.
    };

    void on_message(const net::ControlHandle& connection, std::string_view payload);
    void on_closed(const net::ControlHandle& connection, const Error& reason);
    void register_taskmanager(const net::ControlHandle& connection,
                              const proto::RegisterTaskManager& message);
    [[nodiscard]] Status check_version(const proto::RegisterTaskManager& message) const;
    void take_heartbeat(TaskManagerEntry& entry, const proto::Heartbeat& message);
    // False when there is no such task in the job.
    bool take_task_state(const proto::TaskStateChanged& message);
    // By value: the id stands in the entry that this removes.
    void lose(std::string taskmanager, const Error& cause);
    void check_heartbeats();
    void discover_splits();
    void add_splits(const std::string& id, int source, std::vector<proto::SplitAssignment> found);

    void accept(const std::shared_ptr<Submission>& submission);
    // Errors: kResourceExhausted with the numbers.
    [[nodiscard]] Result<Fitting> fit(const proto::Job& job, const graph::JobGraph& graph) const;
    void act(JobEntry& entry, const Actions& actions);
    void place_and_deploy(JobEntry& entry);
    void wait_for_room(JobEntry& entry, const std::string& missing);
    // Places the jobs that wait, in the order of submission, once the loop comes round.
    void offer_room();
    void send_deploy(JobEntry& entry);
    void broadcast(JobEntry& entry, const proto::ControlMessage& message);
    void arm_timer(JobEntry& entry);
    void forget_old_jobs();
    [[nodiscard]] JobEntry* entry_of(const std::string& id);
    [[nodiscard]] Status check_name(const std::string& name) const;
    [[nodiscard]] bool is_running_name(const std::string& name) const;

    net::EventLoop& loop_;
    const Clock& clock_;
    SplitDirectory& directory_;
    const CapacityPlan& capacity_;
    const RunBlocking run_blocking_;
    const Options options_;
    metrics::MetricGroup metrics_;
    std::function<void(const JobEntry&)> listener_;
    std::unique_ptr<net::ControlServer> server_;
    TaskManagerRegistry registry_;
    std::map<std::uint64_t, std::unique_ptr<JobEntry>> jobs_;  // By order of submission.
    std::uint64_t next_job_ = 1;
    Random random_;
    net::TimerId heartbeat_timer_{};
    net::TimerId discovery_timer_{};
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // What posted answers look at.
};

}  // namespace millrace::jobmanager
