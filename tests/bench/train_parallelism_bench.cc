// Measures what train parallelism costs: the same rows through 1 and through 8 train tasks.
//
//   train_parallelism_bench [PAIRS [ROWS]]
//
// Two source tasks deal batches of 1,000 rows of the synthetic stream, prepared beforehand, out to
// the train tasks of one model (ftrl, 21 features, 2^22 cells, published every 100 ms), on a pool
// of as many workers as there are cores: tasks, channels, edges and model are the product's own. A
// run is timed from the first task's start to the last one's end. Runs of both kinds take turns,
// PAIRS times (5), after one of each that does not count; a pair's ratio is the speed with 8 tasks
// over that with 1.

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "ml/ftrl.h"
#include "ml/synthetic_ctr.h"
#include "operators/job_resources.h"
#include "operators/learning/train_step.h"
#include "runtime/base/check.h"
#include "runtime/data/batch_builder.h"
#include "runtime/data/derived_batch.h"
#include "runtime/task/gate.h"
#include "runtime/task/local_channel.h"
#include "runtime/task/output_edge.h"
#include "runtime/task/task.h"
#include "runtime/task/worker_pool.h"
#include "tests/bench/machine.h"
#include "tests/support/slot_world.h"

namespace millrace::bench {
namespace {

using operators::SharedModel;

constexpr unsigned kBits = 22;
constexpr std::size_t kRowsPerBatch = 1000;
constexpr std::size_t kDistinctBatches = 500;
constexpr std::uint32_t kSources = 2;
constexpr std::size_t kRegionBytes = std::size_t{512} << 20;
constexpr std::size_t kWindowBytes = std::size_t{512} << 10;
constexpr std::uint32_t kEntries = ml::SyntheticCtrStream::kFields + 1;
enum Column : std::size_t { kLabelColumn, kFeaturesColumn };

data::BatchPtr make_batch(ml::SyntheticCtrStream& stream, data::BatchMemory& memory) {
    const auto plain = *data::Schema::make({{"label", {.kind = data::Kind::kFloat32}}});
    const auto schema = *data::Schema::make(
        {{"label", {.kind = data::Kind::kFloat32}}, {"f", {.kind = data::Kind::kFeatures}}});
    data::BatchBuilder builder(plain, memory);
    MILLRACE_CHECK(builder.begin().has_value());
    std::vector<std::uint32_t> all;
    for (std::size_t row = 0; row < kRowsPerBatch; ++row) {
        const auto event = stream.next();
        builder.set_float32(kLabelColumn, event.click ? 1.0F : 0.0F);
        builder.end_row({.split = 0, .ordinal = 0, .timestamp_ms = 0});
        all.push_back(ml::kBiasSlot);
        for (std::uint32_t f = 0; f < ml::SyntheticCtrStream::kFields; ++f)
            all.push_back(ml::SyntheticCtrStream::slot(f, event.fields[f], kBits));
    }
    auto derived = data::DerivedBatch::make(schema, builder.finish(), memory,
                                            (all.size() + kRowsPerBatch + 1) * 4 + 128);
    MILLRACE_CHECK(derived.has_value());
    const auto offsets = derived->array<std::int32_t>(kRowsPerBatch + 1);
    const auto slots = derived->array<std::uint32_t>(all.size());
    std::copy(all.begin(), all.end(), slots.begin());
    for (std::size_t row = 0; row <= kRowsPerBatch; ++row)
        offsets[row] = static_cast<std::int32_t>(row * kEntries);
    derived->borrow(kLabelColumn, kLabelColumn);
    derived->set(kFeaturesColumn, {.values = reinterpret_cast<const std::byte*>(slots.data()),
                                   .offsets = offsets.data()});
    return std::move(*derived).finish();
}

// Emits `count` of the prepared batches and ends.
class PreparedSource final : public operators::Source {
  public:
    PreparedSource(const std::vector<data::BatchPtr>& batches, std::size_t count)
        : batches_(batches), left_(count) {}

    Status open(operators::OperatorContext&) override { return {}; }
    Status add_splits(std::span<const operators::Split>) override { return {}; }
    Result<operators::Progress> poll(operators::Output& output) override {
        if (left_ == 0) return operators::Progress::kEnd;
        output.emit(batches_[--left_ % batches_.size()]);
        return operators::Progress::kYield;
    }
    Result<operators::Progress> snapshot(std::uint64_t, state::SnapshotWriter&) override {
        return operators::Progress::kDone;
    }

  private:
    const std::vector<data::BatchPtr>& batches_;
    std::size_t left_;
};

// Waits for the end of all tasks.
class Listener final : public task::TaskListener {
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

    task::Gate running;
};

class NoBadRecords final : public task::BadRecordPolicy {
  public:
    void on_records_read(std::uint64_t, TimePoint) override {}
    Status on_bad_record(std::string_view, const operators::Rejection&, TimePoint) override {
        return fail(Code::kInvalidArgument, "the benchmark's rows are good");
    }
};

SharedModel::Options model_options(std::uint32_t trainers) {
    SharedModel::Options options{.name = "ctr", .bits = kBits};
    options.entries_row_max = kEntries;
    options.active_features = kEntries;
    options.learner = *ml::Ftrl::create({.alpha = 0.2, .beta = 1, .l1 = 0, .l2 = 0});
    options.trainers = trainers;
    return options;
}

// One job: sources, channels, train tasks and their model.
class TrainJob {
  public:
    TrainJob(millrace::test::SlotWorld& memory, const std::vector<data::BatchPtr>& batches,
             std::uint32_t trainers, std::size_t rows)
        : memory_(memory) {
        resources_.emplace(
            operators::JobResources::Environment{
                .clock = clock_,
                .metrics = registry_,
                .run_blocking = [](const std::function<void()>& work) { work(); }},
            std::vector<operators::KafkaConnection>{});
        add_model(trainers);
        for (std::uint32_t i = 0; i < kSources * trainers; ++i)
            channels_.push_back(std::make_unique<task::LocalChannel>(kWindowBytes));
        for (std::uint32_t s = 0; s < kSources; ++s)
            add_source(s, trainers, batches, rows / kRowsPerBatch / kSources);
        for (std::uint32_t t = 0; t < trainers; ++t) add_trainer(t, trainers);
    }
    ~TrainJob() {
        tasks_.clear();
        resources_.reset();
        MILLRACE_CHECK(memory_.manager().close_account(*account_).has_value());
    }
    TrainJob(const TrainJob&) = delete;
    TrainJob& operator=(const TrainJob&) = delete;

    void run(std::size_t workers) {
        task::WorkerPool pool(clock_, workers);
        pool.start();
        for (const auto& one : tasks_) pool.add(*one);
        listener_.running.wait_until_empty();
        pool.stop();
    }
    [[nodiscard]] std::uint64_t rows_learned() const { return model_->table().counts().learned; }

  private:
    void add_model(std::uint32_t trainers) {
        auto options = model_options(trainers);
        memory::SlotMemory* slot = &memory_.manager().slot(0);
        account_ = *memory_.manager().open_account("ctr", std::span(&slot, 1),
                                                   SharedModel::account_bytes(options));
        auto model = *SharedModel::make(std::move(options), *account_, clock_, registry_, "job");
        model_ = model.get();
        resources_->add_model(std::move(model));
    }
    task::Task& add_task(std::string name) {
        seats_.push_back(
            std::make_unique<metrics::MetricGroup>(registry_, metrics::Labels{{"task", name}}));
        tasks_.push_back(std::make_unique<task::Task>(
            task::Task::Options{.name = std::move(name), .labels = {}},
            task::Task::Environment{clock_, registry_, listener_, policy_}, nullptr));
        listener_.running.enter();
        return *tasks_.back();
    }
    operators::OperatorContext context(task::Task& of, std::uint32_t subtask,
                                       std::uint32_t parallelism) {
        return {.job = "job",
                .step = "step",
                .subtask = subtask,
                .parallelism = parallelism,
                .clock = clock_,
                .waker = of,
                .batches = memory_.batches(),
                .slot = memory_.slot(),
                .owner = memory_.owner(),
                .metrics = *seats_.back(),
                .resources = *resources_};
    }
    void add_source(std::uint32_t s, std::uint32_t trainers,
                    const std::vector<data::BatchPtr>& batches, std::size_t count) {
        task::Task& added = add_task("source" + std::to_string(s));
        const auto node = added.chain().add_source(std::make_unique<PreparedSource>(batches, count),
                                                   context(added, s, kSources));
        std::vector<task::OutputChannel*> outputs;
        for (std::uint32_t t = 0; t < trainers; ++t)
            outputs.push_back(channels_[s * trainers + t].get());
        added.chain().add_edge(node, 0, task::make_rebalance_edge(outputs));
    }
    void add_trainer(std::uint32_t t, std::uint32_t trainers) {
        task::Task& added = add_task("train" + std::to_string(t));
        std::vector<std::vector<task::InputChannel*>> inputs(1);
        for (std::uint32_t s = 0; s < kSources; ++s)
            inputs[0].push_back(channels_[s * trainers + t].get());
        std::vector<operators::TrainStep::Target> targets{
            {.model = model_, .features_column = kFeaturesColumn}};
        (void)added.chain().add_root(std::make_unique<operators::TrainStep>(
                                         std::move(targets), kLabelColumn, data::Kind::kFloat32),
                                     context(added, t, trainers),
                                     std::make_unique<task::InputGate>(inputs));
    }

    millrace::test::SlotWorld& memory_;
    const SystemClock clock_;
    metrics::Registry registry_;
    Listener listener_;
    NoBadRecords policy_;
    memory::Account* account_ = nullptr;
    SharedModel* model_ = nullptr;
    std::optional<operators::JobResources> resources_;
    std::vector<std::unique_ptr<task::LocalChannel>> channels_;
    std::vector<std::unique_ptr<metrics::MetricGroup>> seats_;
    std::vector<std::unique_ptr<task::Task>> tasks_;
};

struct Run {
    double rows_per_second = 0;
    double cpu_us = 0;  // A row, all threads.
};

Run measure(millrace::test::SlotWorld& memory, const std::vector<data::BatchPtr>& batches,
            std::uint32_t trainers, std::size_t rows) {
    TrainJob job(memory, batches, trainers, rows);
    const SystemClock clock;
    const std::clock_t cpu = std::clock();
    const TimePoint begin = clock.now();
    job.run(std::max(1U, std::thread::hardware_concurrency()));
    const double seconds = std::chrono::duration<double>(clock.now() - begin).count();
    const double cpu_seconds = static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC;
    MILLRACE_CHECK_EQ(job.rows_learned(), rows);
    const auto count = static_cast<double>(rows);
    return {.rows_per_second = count / seconds, .cpu_us = cpu_seconds / count * 1e6};
}

double middle(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

void report(const char* name, std::vector<Run> runs) {
    std::ranges::sort(runs, {}, &Run::rows_per_second);
    const Run& mid = runs[runs.size() / 2];
    std::printf("%-22s %6.2f %6.2f %6.2f   %.3f\n", name, runs.front().rows_per_second / 1e6,
                mid.rows_per_second / 1e6, runs.back().rows_per_second / 1e6, mid.cpu_us);
}

int run(std::size_t pairs, std::size_t rows) {
    millrace::test::SlotWorld memory(kRegionBytes);
    std::vector<data::BatchPtr> batches;
    ml::SyntheticCtrStream stream(1);
    for (std::size_t i = 0; i < kDistinctBatches; ++i)
        batches.push_back(make_batch(stream, memory.batches()));
    std::printf("machine: %s\ncommand: train_parallelism_bench %zu %zu\n", machine().c_str(), pairs,
                rows);
    std::array<std::vector<Run>, 2> runs;
    std::vector<double> ratios;
    for (std::size_t i = 0; i <= pairs; ++i) {
        const Run one = measure(memory, batches, 1, rows);
        const Run eight = measure(memory, batches, 8, rows);
        if (i == 0) continue;
        runs[0].push_back(one);
        runs[1].push_back(eight);
        ratios.push_back(eight.rows_per_second / one.rows_per_second);
    }
    std::printf("%-22s %20s   %s\n", "train tasks", "M rows/s min/mid/max", "us of CPU a row");
    report("1", runs[0]);
    report("8", runs[1]);
    const auto [least, most] = std::ranges::minmax(ratios);
    std::printf("ratio 8 to 1: %.3f (%.3f to %.3f); target: .90 and more\n", middle(ratios), least,
                most);
    return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
    const long pairs = argc > 1 ? std::atol(argv[1]) : 5;
    const long rows = argc > 2 ? std::atol(argv[2]) : 4'000'000;
    if (pairs < 1 || rows < 2000 || rows % 2000 != 0) {
        std::fputs("usage: train_parallelism_bench [PAIRS [ROWS]], ROWS a multiple of 2000\n",
                   stderr);
        return 64;
    }
    return millrace::bench::run(static_cast<std::size_t>(pairs), static_cast<std::size_t>(rows));
}
