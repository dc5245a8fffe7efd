// One attempt of one job in one TaskManager: its models, channels and tasks, from deployment to the
// last byte given back.
//
//   build()  schemas, models, channels, tasks; nothing runs yet. All or nothing.
//   start()  the workers step the tasks
//   cancel() every task ends soon
//   ...      when the last task has gone, on_closed comes: everything was given back
//
// Threads:    the control loop's. What tasks report from workers is posted to it. The resources are
//             torn down on a blocking thread, since closing a Kafka client may take seconds.
// Ownership:  owns models, channels, chains and tasks; borrows the TaskManager's means.
// Limits:     the slots' memory: working sets are reserved by build(), so that later only state can
//             be refused.
// Failure:    build() answers kResourceExhausted with the numbers, or what does not fit together.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "memory/budget.h"
#include "memory/memory_manager.h"
#include "memory/network_buffer_pool.h"
#include "memory/reservation.h"
#include "operators/job_resources.h"
#include "operators/registry.h"
#include "proto/control.pb.h"
#include "proto/job.pb.h"
#include "runtime/graph/job_graph.h"
#include "runtime/net/data_plane.h"
#include "runtime/net/event_loop.h"
#include "runtime/task/blocking_pool.h"
#include "runtime/task/task.h"
#include "runtime/task/work_gate.h"
#include "runtime/task/worker_pool.h"
#include "runtime/taskmanager/channel_table.h"
#include "runtime/taskmanager/deployment_need.h"
#include "runtime/taskmanager/shared_bad_records.h"
#include "runtime/taskmanager/stream_schemas.h"

namespace millrace::taskmanager {

class AttemptTask;

// What a TaskManager lends to the attempts that run in it.
struct TaskManagerMeans {
    net::EventLoop& loop;
    const Clock& clock;
    metrics::Registry& metrics;
    const operators::Registry& operators;
    memory::MemoryManager& memory;
    memory::NetworkBufferPool& network_buffers;
    memory::BufferSettings buffers;
    memory::RegionBudget& task_region;
    net::EventLoop& network;  // Of the sockets that jobs ask for.
    net::DataPlane& data_plane;
    task::WorkerPool& workers;
    task::BlockingPool& blocking;
    task::BlockingPool& questions;  // To brokers.
};

class JobAttempt final : private task::TaskListener {
  public:
    struct Callbacks {
        // A task has come to a terminal state; `error` when it failed.
        std::function<void(std::uint32_t vertex, std::uint32_t subtask, proto::TaskState state,
                           const Error* error)>
            on_task_ended;
        // All tasks have ended and can still report; the end of the last one is told after this.
        std::function<void()> on_last_report;
        // All tasks have gone and everything came back, or `leak` says what did not.
        std::function<void(const std::string& leak)> on_closed;
    };

    JobAttempt(TaskManagerMeans means, Callbacks callbacks);
    JobAttempt(const JobAttempt&) = delete;
    JobAttempt& operator=(const JobAttempt&) = delete;
    // REQUIRES: closed, or never built.
    ~JobAttempt() override;

    Status build(const proto::DeployTasks& message);
    // REQUIRES: build() succeeded.
    void start();
    void cancel();
    Status add_splits(const proto::AddSplits& message);
    // For a process that stops: gives back what is left, without callbacks. REQUIRES: no worker
    // steps any task, the blocking pool has stopped.
    void finish_closing();

    [[nodiscard]] Attempt attempt() const { return attempt_; }
    [[nodiscard]] const std::string& job_id() const { return job_id_; }
    // Adds what tasks and models have to say.
    void report(proto::Heartbeat& heartbeat) const;

  private:
    enum class State : std::uint8_t { kBuilt, kStarted, kClosing, kClosed };

    // Sums what this attempt takes here, and refuses it when that is not there.
    Status sum_needs();
    Status build_resources(const proto::DeployTasks& message);
    Status build_models(const proto::DeployTasks& message);
    Status build_model(const std::string& name, const proto::DeployTasks& message);
    Status build_tasks(const proto::DeployTasks& message);
    Status give_splits(const google::protobuf::RepeatedPtrField<proto::SourceSplits>& all);
    [[nodiscard]] Capacity capacity() const;
    // The slots that this attempt holds here.
    [[nodiscard]] std::vector<memory::SlotMemory*> own_slots() const;
    void task_ended(const task::Task& task, task::TaskState state,
                    const std::optional<Error>& error);
    void close();
    // On a thread that may block: gives everything back, and has the loop told.
    void finish();
    // Gives everything back; names what did not come back.
    [[nodiscard]] std::string tear_down();

    // TaskListener, on the workers' threads.
    void on_state(task::Task& task, task::TaskState state, const Error* cause) override;
    Result<std::unique_ptr<state::SnapshotWriter>> open_snapshot(task::Task& task,
                                                                 std::uint64_t checkpoint_id,
                                                                 std::string_view step) override;
    void on_snapshot(task::Task& task, const task::SnapshotReport& report) override;

    const TaskManagerMeans means_;
    const Callbacks callbacks_;

    std::string job_id_;
    Attempt attempt_{};
    proto::Job job_;
    graph::JobGraph graph_;
    StreamSchemas schemas_;
    std::vector<graph::Placement> placements_;
    std::uint32_t self_ = 0;
    DeploymentNeed need_;

    task::WorkGate slow_work_;                         // Writes of its sinks.
    std::optional<memory::Reservation> kafka_queues_;  // Before the clients, which use it.
    std::unique_ptr<operators::JobResources> resources_;
    std::vector<memory::Account*> accounts_;
    std::unique_ptr<SharedBadRecords> bad_records_;
    std::unique_ptr<ChannelTable> channels_;
    std::vector<std::unique_ptr<AttemptTask>> tasks_;
    std::size_t tasks_inside_ = 0;  // Those that a worker still steps.
    State state_ = State::kBuilt;
    // What posted callbacks look at: a process that stops does not wait for them.
    const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace millrace::taskmanager
