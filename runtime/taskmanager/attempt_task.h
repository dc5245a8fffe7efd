// One task of an attempt, with the memory and metrics that its operators use.
//
// Threads:    built on the control loop, stepped by workers, destroyed on a blocking thread when no
//             worker steps it any more.
// Ownership:  owns the task, its batch memory and its operators' metrics; borrows slot, channels
//             and resources, which outlive it.
// Limits:     its working set, reserved from the slot by build().
// Failure:    build() answers what the slot or an operator refuses.

#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "memory/reservation.h"
#include "memory/slot_memory.h"
#include "operators/job_resources.h"
#include "proto/control.pb.h"
#include "runtime/data/batch_memory.h"
#include "runtime/graph/job_graph.h"
#include "runtime/graph/schedule.h"
#include "runtime/task/task.h"
#include "runtime/taskmanager/channel_table.h"
#include "runtime/taskmanager/deployment_need.h"
#include "runtime/taskmanager/shared_bad_records.h"
#include "runtime/taskmanager/stream_schemas.h"

namespace millrace::taskmanager {

class AttemptTask {
  public:
    // What all tasks of an attempt are built from.
    struct Plan {
        const proto::Job& job;
        const graph::JobGraph& graph;
        const StreamSchemas& schemas;
        const operators::Registry& operators;
        const ChannelTable& channels;
        operators::JobResources& resources;
        SharedBadRecords& bad_records;
        const Clock& clock;
        metrics::Registry& metrics;
        task::TaskListener& listener;
        Attempt attempt{};
        std::string taskmanager;
    };

    AttemptTask(const Plan& plan, const graph::Placement& placement, memory::SlotMemory& slot);
    AttemptTask(const AttemptTask&) = delete;
    AttemptTask& operator=(const AttemptTask&) = delete;
    ~AttemptTask();

    // Reserves the working set; afterwards channels can be made for this task.
    Status reserve(const Plan& plan, const TaskNeed& need);
    [[nodiscard]] SubtaskEnds ends() { return {.memory = &*batches_, .waker = &bell_}; }
    // Builds the operators; the channels have been made.
    Status build(const Plan& plan);
    Status add_splits(const proto::SourceSplits& splits) {
        return task_->add_splits(splits_of(splits));
    }

    // Reads the task's own counters and nobody else's. REQUIRES: built.
    void report(const Clock& clock, proto::SubtaskReport& report) const;
    // Destroys the operators, which hold ends of channels. REQUIRES: no worker steps the task.
    void drop_chain() { task_.reset(); }

    [[nodiscard]] task::Task& task() { return *task_; }
    [[nodiscard]] const graph::Placement& placement() const { return placement_; }

  private:
    Status add_operators(const Plan& plan);
    Status add_operator(const Plan& plan, std::uint32_t index, std::vector<std::uint32_t>& nodes);
    Status add_edges(const Plan& plan, std::uint32_t index, std::uint32_t node);
    std::unique_ptr<task::ErrorRows> make_errors(const Plan& plan);
    std::unique_ptr<task::InputGate> make_gate(const Plan& plan, std::uint32_t index) const;
    operators::OperatorContext context_for(const Plan& plan, std::uint32_t index);
    // One of its tags in the slot, with `bytes` reserved.
    Result<memory::OwnerId> reserve(const memory::OwnerTag& tag, std::size_t bytes);
    [[nodiscard]] metrics::Labels labels(const Plan& plan) const;
    [[nodiscard]] std::uint64_t rows_written() const;
    static std::vector<operators::Split> splits_of(const proto::SourceSplits& splits);

    // Passes a ring on to the task, which does not exist yet when channels are made.
    class Bell final : public Waker {
      public:
        void wake() noexcept override {
            if (Waker* task = task_.load()) task->wake();
        }
        void connect(Waker& task) { task_.store(&task); }

      private:
        std::atomic<Waker*> task_{nullptr};
    };

    const graph::Placement placement_;
    const graph::Vertex& vertex_;
    memory::SlotMemory& slot_;
    Bell bell_;
    std::vector<memory::Reservation> working_set_;
    std::map<std::uint32_t, memory::OwnerId> scratch_;  // By operator of the graph.
    std::optional<data::BatchMemory> batches_;
    std::vector<std::unique_ptr<metrics::MetricGroup>> operator_metrics_;
    std::vector<const metrics::MetricGroup*> sinks_;  // Of the sinks among them.
    std::unique_ptr<task::Task> task_;
};

}  // namespace millrace::taskmanager
