// The TaskManager: owns slots, memory, workers and the data plane, and runs the tasks it is given.
//
// It registers with the JobManager, answers its messages, and sends a heartbeat with what its tasks
// and models report. When the connection breaks it cancels every task, since the JobManager takes
// it for lost, and registers again as soon as nothing is left of them.
//
// Threads:    the control loop's, for everything public. Tasks run on the workers, sockets of the
//             data plane on a network thread, slow library calls on the blocking pool.
// Ownership:  owns everything its tasks use; borrows loop, clock and metrics.
// Limits:     the memory that MemoryBudget derived; its slots.
// Failure:    start() answers for memory and ports. Losing the JobManager is not a failure: it
//             tries again, with back-off, for ever.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "memory/budget.h"
#include "memory/memory_budget.h"
#include "memory/memory_manager.h"
#include "memory/network_buffer_pool.h"
#include "operators/registry.h"
#include "proto/control.pb.h"
#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/net/control_channel.h"
#include "runtime/net/data_plane.h"
#include "runtime/net/event_loop.h"
#include "runtime/task/blocking_pool.h"
#include "runtime/task/worker_pool.h"
#include "runtime/taskmanager/job_attempt.h"
#include "runtime/taskmanager/memory_metrics.h"

namespace millrace::taskmanager {

class TaskManager {
  public:
    struct Options {
        net::Address jobmanager{"127.0.0.1", 6123};
        net::Address data{"127.0.0.1", 0};
        net::BindScope scope = net::BindScope::kLoopback;
        std::string cluster = "millrace";
        std::string id;       // New for every process.
        std::string version;  // Of the program; the JobManager's must be the same.
        std::size_t workers = 1;
        memory::MemoryBudget memory;
        Duration reconnect_min = std::chrono::milliseconds(100);
        Duration reconnect_max = std::chrono::seconds(5);
        // Until the JobManager says its own.
        Duration heartbeat_interval = std::chrono::seconds(1);
        Duration heartbeat_timeout = std::chrono::seconds(10);
    };

    TaskManager(net::EventLoop& loop, const Clock& clock, metrics::Registry& metrics,
                const operators::Registry& operators, Options options);
    TaskManager(const TaskManager&) = delete;
    TaskManager& operator=(const TaskManager&) = delete;
    ~TaskManager();

    // Maps the memory, opens the data port, starts the threads and begins to register.
    Status start();
    // Cancels all tasks, waits for them and stops the threads. Idempotent.
    void stop();

    [[nodiscard]] bool is_registered() const { return is_registered_; }
    [[nodiscard]] const std::string& id() const { return options_.id; }
    // Heartbeats since the JobManager was heard last.
    [[nodiscard]] std::uint32_t beats_unanswered() const { return beats_unanswered_; }

  private:
    void connect();
    void retry(const Error& cause);
    void on_open(const net::ControlHandle& connection);
    void on_message(std::string_view payload);
    void on_closed(const Error& reason);
    void take_registered(const proto::Registered& message);
    void take_refusal(const proto::RegistrationRefused& message);
    // Sends a heartbeat once registered, and looks whether the JobManager still answers.
    void beat();
    void send_report();
    void deploy(const proto::DeployTasks& message);
    void add_splits(const proto::AddSplits& message);
    void close_attempt(const std::string& job_id, std::uint32_t attempt, const std::string& leak);
    void send(const proto::ControlMessage& message);
    [[nodiscard]] JobAttempt* attempt_of(const std::string& job_id, std::uint32_t attempt);
    [[nodiscard]] proto::ControlMessage registration() const;
    // Slots and accounts that hold something.
    void fill_pools(proto::Heartbeat& heartbeat) const;
    void fill_memory(google::protobuf::RepeatedPtrField<proto::MemoryRegion>& regions) const;

    net::EventLoop& loop_;
    const Clock& clock_;
    metrics::Registry& registry_;
    const operators::Registry& operators_;
    const Options options_;
    metrics::MetricGroup metrics_;

    std::unique_ptr<memory::MemoryManager> memory_;
    std::unique_ptr<memory::NetworkBufferPool> network_buffers_;
    std::unique_ptr<memory::RegionBudget> task_region_;
    std::unique_ptr<MemoryMetrics> memory_metrics_;
    std::unique_ptr<net::EventLoopThread> network_;
    std::unique_ptr<net::DataPlane> data_plane_;
    std::unique_ptr<task::WorkerPool> workers_;
    std::unique_ptr<task::BlockingPool> blocking_;
    std::unique_ptr<task::BlockingPool> questions_;
    std::unique_ptr<net::ControlClient> control_;

    net::ControlHandle connection_;
    bool is_registered_ = false;
    bool is_stopping_ = false;
    LeaderEpoch epoch_{};
    Duration reconnect_wait_{};
    Duration heartbeat_interval_;
    Duration heartbeat_timeout_;
    // Since the JobManager was heard. Beats, not time: a process that was stopped for a while has
    // not listened.
    std::uint32_t beats_unanswered_ = 0;
    net::TimerId timer_{};
    net::TimerId heartbeat_timer_{};
    std::map<std::string, std::unique_ptr<JobAttempt>> attempts_;  // By job id.
    std::string last_trouble_;  // Why it is not registered; logged once each.
};

}  // namespace millrace::taskmanager
