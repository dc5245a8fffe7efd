#include "tests/bench/task_bed.h"

#include <ctime>
#include <functional>

#include "runtime/base/check.h"
#include "runtime/task/worker_pool.h"

namespace millrace::bench {

Result<operators::Progress> PreparedSource::poll(operators::Output& output) {
    if (left_ == 0) return operators::Progress::kEnd;
    output.emit(batches_[--left_ % batches_.size()]);
    return operators::Progress::kYield;
}

// Waits for the end of all tasks.
class TaskBed::Listener final : public task::TaskListener {
  public:
    void on_state(task::Task&, task::TaskState state, const Error* cause) override {
        MILLRACE_CHECK(cause == nullptr);
        if (task::is_terminal(state)) running.leave();
    }
    Result<std::unique_ptr<state::SnapshotWriter>> open_snapshot(task::Task&, std::uint64_t,
                                                                 std::string_view) override {
        return fail(Code::kUnavailable, "nothing is kept here");
    }
    void on_snapshot(task::Task&, const task::SnapshotReport&) override {}

    task::TasksInside running;
};

class TaskBed::NoBadRecords final : public task::BadRecordPolicy {
  public:
    void on_records_read(std::uint64_t, TimePoint) override {}
    Status on_bad_record(std::string_view, const operators::Rejection&, TimePoint) override {
        return fail(Code::kInvalidArgument, "the benchmark's rows are good");
    }
};

TaskBed::TaskBed(millrace::test::SlotWorld& memory)
    : memory_(memory),
      listener_(std::make_unique<Listener>()),
      policy_(std::make_unique<NoBadRecords>()) {
    resources_.emplace(
        operators::JobResources::Environment{.clock = clock_,
                                             .metrics = registry_,
                                             .run_blocking =
                                                 [](const std::function<void()>& work) {
                                                     work();
                                                     return Status();
                                                 }},
        std::vector<operators::KafkaConnection>{});
}

TaskBed::~TaskBed() = default;

task::Task& TaskBed::add_task(const std::string& name) {
    metrics_.push_back(
        std::make_unique<metrics::MetricGroup>(registry_, metrics::Labels{{"task", name}}));
    tasks_.push_back(std::make_unique<task::Task>(
        task::Task::Options{.name = name, .labels = {}},
        task::Task::Environment{clock_, registry_, *listener_, *policy_}, nullptr));
    listener_->running.enter();
    return *tasks_.back();
}

operators::OperatorContext TaskBed::context(std::uint32_t subtask, std::uint32_t parallelism) {
    return {.job = "job",
            .step = "step",
            .subtask = subtask,
            .parallelism = parallelism,
            .clock = clock_,
            .waker = *tasks_.back(),
            .batches = memory_.batches(),
            .slot = memory_.slot(),
            .owner = memory_.owner(),
            .metrics = *metrics_.back(),
            .resources = *resources_};
}

void TaskBed::run(std::size_t workers) {
    task::WorkerPool pool(clock_, workers);
    pool.start();
    for (const auto& task : tasks_) pool.add(*task);
    listener_->running.wait_until_empty();
    pool.stop();
}

double process_cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace millrace::bench
