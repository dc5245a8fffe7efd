// A whole job of toy operators in one process: tasks, local channels, and who listens to them.
//
// Threads:    built on one; its tasks may then be stepped by a Stepper or a WorkerPool.
// Ownership:  owns everything; the tasks must have left before it is destroyed.
// Failure:    aborts on impossible graphs.

#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/state/memory_snapshot.h"
#include "runtime/task/local_channel.h"
#include "runtime/task/task.h"
#include "runtime/task/tasks_inside.h"
#include "tests/support/slot_world.h"
#include "tests/task/toy_operators.h"

namespace millrace::test {

enum class Way { kForward, kRebalance, kKeyHash, kBroadcast };

struct PipelineLink {
    std::size_t from = 0;  // Vertex.
    Way way = Way::kForward;
    std::size_t window_bytes = 1 << 16;
};

struct PipelineVertex {
    std::uint32_t parallelism = 1;
    std::int64_t rows = 0;             // Sources: rows each subtask emits.
    std::uint32_t steps = 0;           // Chained moody steps.
    bool has_sink = false;             // Chained behind the last step.
    bool is_ordered = false;           // The sink checks the order of each split.
    std::vector<PipelineLink> inputs;  // None: a source. Each is an input of its own.
};

// Counts bad records and never minds.
class LenientPolicy final : public task::BadRecordPolicy {
  public:
    void on_records_read(std::uint64_t, TimePoint) override {}
    Status on_bad_record(std::string_view, const operators::Rejection&, TimePoint) override {
        return {};
    }
};

// Keeps what tasks report.
class Listener final : public task::TaskListener {
  public:
    void on_state(task::Task& task, task::TaskState state, const Error* cause) override;
    Result<std::unique_ptr<state::SnapshotWriter>> open_snapshot(task::Task& task,
                                                                 std::uint64_t checkpoint_id,
                                                                 std::string_view step) override;
    void on_snapshot(task::Task& task, const task::SnapshotReport& report) override;

    // Tasks that were added and have not reported a terminal state.
    task::TasksInside running;
    [[nodiscard]] std::vector<std::string> states_of(const std::string& task) const;
    [[nodiscard]] std::vector<std::string> failures() const;  // "task: message".
    // Reports of one checkpoint, and how many of them were errors.
    [[nodiscard]] std::size_t reports(std::uint64_t checkpoint_id) const;
    [[nodiscard]] std::size_t failed_reports(std::uint64_t checkpoint_id) const;
    // What a step of a task wrote, by "task/step/checkpoint"; null when nothing.
    [[nodiscard]] state::MemorySnapshot* snapshot(const std::string& key);

    bool refuses_snapshots = false;  // Set before the tasks run.

  private:
    mutable Mutex mutex_;
    std::map<std::string, std::vector<std::string>> states_ MILLRACE_GUARDED_BY(mutex_);
    std::vector<std::string> failures_ MILLRACE_GUARDED_BY(mutex_);
    std::map<std::uint64_t, std::pair<std::size_t, std::size_t>> reports_
        MILLRACE_GUARDED_BY(mutex_);
    std::map<std::string, std::unique_ptr<state::MemorySnapshot>> snapshots_
        MILLRACE_GUARDED_BY(mutex_);
};

// What an operator's context refers to, for one task.
struct TaskSeat {
    TaskSeat(SlotWorld& world, metrics::Registry& registry)
        : batches(world.slot(), world.owner()), metrics(registry, {}) {}

    data::BatchMemory batches;
    metrics::MetricGroup metrics;
};

// A context whose resources must not be touched.
operators::OperatorContext toy_context(std::string_view step, const Clock& clock, Waker& waker,
                                       TaskSeat& seat, SlotWorld& world);

class Pipeline {
  public:
    // `calls_max`: operator calls a step, see Task::Options.
    Pipeline(const Clock& clock, std::vector<PipelineVertex> vertices, std::uint64_t seed,
             std::size_t calls_max);
    ~Pipeline();

    [[nodiscard]] std::vector<task::Task*> tasks();
    [[nodiscard]] std::vector<task::Task*> sources();
    [[nodiscard]] const std::vector<PipelineVertex>& vertices() const { return vertices_; }
    [[nodiscard]] CutBook& book() { return book_; }
    [[nodiscard]] Listener& listener() { return listener_; }
    [[nodiscard]] SlotWorld& world() { return world_; }
    [[nodiscard]] metrics::Registry& registry() { return registry_; }

    void trigger(std::uint64_t checkpoint_id);
    // What broke, in words; empty when every rule was kept.
    [[nodiscard]] std::vector<std::string> problems();

  private:
    struct Subtask {
        std::unique_ptr<TaskSeat> seat;
        std::unique_ptr<task::Task> task;
    };
    using Channels = std::vector<std::vector<task::LocalChannel*>>;  // [from subtask][to subtask]

    void make_channels();
    void make_task(std::size_t vertex, std::uint32_t subtask);
    std::unique_ptr<task::InputGate> make_gate(std::size_t vertex, std::uint32_t subtask);
    void add_edges(task::OperatorChain& chain, std::uint32_t node, std::size_t vertex,
                   std::uint32_t subtask, TaskSeat& seat);
    // How often each row of each source subtask must arrive at `vertex`, all subtasks together.
    [[nodiscard]] std::map<std::int32_t, std::int64_t> copies_at(std::size_t vertex) const;
    void check_rows(std::size_t vertex, std::vector<std::string>& problems) const;
    void check_cuts(std::vector<std::string>& problems) const;
    [[nodiscard]] std::int32_t split_of(std::size_t vertex, std::uint32_t subtask) const {
        return static_cast<std::int32_t>(vertex * 100 + subtask);
    }

    const Clock& clock_;
    const std::vector<PipelineVertex> vertices_;
    const std::uint64_t seed_;
    const std::size_t calls_max_;
    SlotWorld world_;
    metrics::Registry registry_;
    CutBook book_;
    Listener listener_;
    LenientPolicy policy_;
    std::deque<task::LocalChannel> channels_;
    std::map<std::pair<std::size_t, std::size_t>, Channels> links_;  // [to vertex, input]
    std::vector<std::vector<Subtask>> subtasks_;                     // [vertex]
};

}  // namespace millrace::test
