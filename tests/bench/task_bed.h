// Tasks of the product in one process, without JobManager: what benchmarks of the runtime measure.
//
//     SlotWorld memory(std::size_t{512} << 20);
//     TaskBed bed(memory);
//     task::Task& task = bed.add_task("source0");
//     task.chain().add_source(std::make_unique<PreparedSource>(...), bed.context());
//     bed.run(2);
//
// Threads:    one owner; run() steps the tasks on workers of its own.
// Ownership:  owns tasks and metrics; memory and channels belong to the caller and outlive the
//             tasks.
// Limits:     those of the memory given.
// Failure:    aborts: a benchmark has nothing to go on with.

#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operators/job_resources.h"
#include "operators/operator.h"
#include "runtime/task/task.h"
#include "runtime/task/tasks_inside.h"
#include "tests/support/slot_world.h"

namespace millrace::bench {

// Emits batches made beforehand, `count` of them in turn, and ends.
class PreparedSource final : public operators::Source {
  public:
    PreparedSource(const std::vector<data::BatchPtr>& batches, std::size_t count)
        : batches_(batches), left_(count) {}

    Status open(operators::OperatorContext&) override { return {}; }
    Status add_splits(std::span<const operators::Split>) override { return {}; }
    Result<operators::Progress> poll(operators::Output& output) override;
    Result<operators::Progress> snapshot(std::uint64_t, state::SnapshotWriter&) override {
        return operators::Progress::kDone;
    }

  private:
    const std::vector<data::BatchPtr>& batches_;
    std::size_t left_;
};

class TaskBed {
  public:
    explicit TaskBed(millrace::test::SlotWorld& memory);
    TaskBed(const TaskBed&) = delete;
    TaskBed& operator=(const TaskBed&) = delete;
    ~TaskBed();

    task::Task& add_task(const std::string& name);
    // For the operators of the task that was added last.
    operators::OperatorContext context(std::uint32_t subtask = 0, std::uint32_t parallelism = 1);
    // Steps all tasks on `workers` threads to their ends.
    void run(std::size_t workers);
    void drop_tasks() { tasks_.clear(); }

    [[nodiscard]] const Clock& clock() const { return clock_; }
    [[nodiscard]] metrics::Registry& registry() { return registry_; }
    [[nodiscard]] millrace::test::SlotWorld& memory() { return memory_; }
    [[nodiscard]] operators::JobResources& resources() { return *resources_; }

  private:
    class Listener;
    class NoBadRecords;

    millrace::test::SlotWorld& memory_;
    const SystemClock clock_;
    metrics::Registry registry_;
    std::optional<operators::JobResources> resources_;
    std::unique_ptr<Listener> listener_;
    std::unique_ptr<NoBadRecords> policy_;
    std::vector<std::unique_ptr<metrics::MetricGroup>> metrics_;
    std::vector<std::unique_ptr<task::Task>> tasks_;
};

// Seconds of CPU of this process, all threads.
[[nodiscard]] double process_cpu_seconds();

}  // namespace millrace::bench
