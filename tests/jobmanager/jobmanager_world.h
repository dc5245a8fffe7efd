// A JobManager on a loop of its own, with a directory that says what the case wants and
// TaskManagers that are nothing but their control connection.

#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/jobmanager/jobmanager.h"
#include "runtime/net/control_message.h"
#include "tests/graph/job_text.h"
#include "tests/net/net_world.h"
#include "tests/support/eventually.h"

namespace millrace::jobmanager {

// The system's clock, and what a case adds to it.
class ShiftedClock final : public Clock {
  public:
    [[nodiscard]] TimePoint now() const override { return system_.now() + Duration(shift_.load()); }
    [[nodiscard]] std::int64_t wall_ms() const override { return system_.wall_ms(); }
    void shift(Duration by) { shift_.fetch_add(by.count()); }

  private:
    SystemClock system_;
    std::atomic<Duration::rep> shift_{0};
};

proto::SplitAssignment split_named(const std::string& name, std::int64_t start_ordinal = 0);

// What a case lets the outer world say. Only the loop's thread touches it.
struct FakeDirectory final : SplitDirectory {
    std::vector<proto::SplitAssignment> splits;  // Of every source.
    std::optional<Error> refusal;                // Of every sink.

    Result<std::vector<proto::SplitAssignment>> resolve(const proto::Job&, int) override {
        return splits;
    }
    Result<std::vector<proto::SplitAssignment>> look_again(const proto::Job&, int) override {
        return splits;
    }
    Status check_sink(const proto::Job&, int) override {
        if (refusal) return std::unexpected(*refusal);
        return {};
    }
    Result<std::vector<proto::KafkaConnection>> connections(const proto::Job&) override {
        proto::KafkaConnection connection;
        connection.set_name("default");
        return std::vector{connection};
    }
};

// Every subtask takes as much of its TaskManager as the case says.
struct FakeCapacity final : CapacityPlan {
    CapacityClaim per_subtask;
    CapacityClaim all{.network_buffers = 100, .task_bytes = 100};

    Result<CapacityClaim> claim(const proto::Job&, const graph::JobGraph&,
                                std::span<const graph::Placement> placements, std::uint32_t self,
                                const proto::RegisterTaskManager&,
                                const CapacityClaim& taken) const override;
};

struct JobManagerWorld : net::NetWorld {
    explicit JobManagerWorld(JobManager::Options options = default_options());
    ~JobManagerWorld();

    // A port of the system's choice, quick heartbeats, and no discovery within a case.
    static JobManager::Options default_options();

    JobManager::Submitted submit(proto::Job job);
    JobId must_submit(proto::Job job);
    [[nodiscard]] JobState state_of(JobId id);
    [[nodiscard]] bool comes_to(JobId id, JobState state);
    [[nodiscard]] std::uint32_t slots_free();
    // What it says of the job, on the loop.
    template <class Fn>
    auto ask(JobId id, Fn fn) {
        return on_loop([&] { return fn(**jobmanager->find(id.to_string())); });
    }

    ShiftedClock shifted;
    FakeDirectory directory;
    FakeCapacity capacity;
    std::optional<JobManager> jobmanager;
    std::uint16_t port = 0;
};

// Subtasks of one vertex: a Kafka source chained with a discarding sink.
proto::Job copy_job(const std::string& name, int parallelism);

class TaskManagerDouble {
  public:
    enum class Expect : std::uint8_t { kRegistered, kRefused };
    struct Identity {
        std::string id;
        std::string version = "1.2.3";
    };

    // Connects and registers; waits for the JobManager's answer unless it is to be a refusal.
    TaskManagerDouble(JobManagerWorld& world, std::string id, int slots,
                      Expect expect = Expect::kRegistered)
        : TaskManagerDouble(world, Identity{.id = std::move(id)}, slots, expect) {}
    TaskManagerDouble(JobManagerWorld& world, Identity identity, int slots,
                      Expect expect = Expect::kRegistered);
    TaskManagerDouble(const TaskManagerDouble&) = delete;
    TaskManagerDouble& operator=(const TaskManagerDouble&) = delete;
    ~TaskManagerDouble() { disconnect(); }

    void send(const proto::ControlMessage& message);
    void send_deployed(const proto::DeployTasks& deploy, const std::string& error_code = "",
                       const std::string& error = "");
    void send_state(const proto::DeployTasks& deploy, std::uint32_t subtask, proto::TaskState state,
                    const std::string& error_code = "", const std::string& error = "");
    void send_closed(const std::string& job_id, std::uint32_t attempt);
    void disconnect();

    // The next message, which must be of that kind.
    proto::DeployTasks take_deploy();
    proto::StartTasks take_start();
    proto::CancelTasks take_cancel();
    proto::AddSplits take_splits();
    proto::RegistrationRefused take_refusal();
    // Answers to heartbeats so far.
    [[nodiscard]] int heartbeats_seen() const { return heartbeats_seen_; }
    // Why the connection ended.
    std::string take_end() { return ended_.take(); }
    [[nodiscard]] const proto::Registered& registered() const { return registered_; }
    // Builds and starts what comes next.
    proto::DeployTasks run_next();

  private:
    proto::ControlMessage registration() const;

    JobManagerWorld& world_;
    const std::string id_;
    const std::string version_;
    const int slots_;
    std::atomic<int> heartbeats_seen_{0};
    proto::Registered registered_;
    net::Mailbox<proto::ControlMessage> received_;
    net::Mailbox<std::string> ended_;
    std::optional<net::ControlClient> client_;
    net::ControlHandle connection_;
};

}  // namespace millrace::jobmanager
