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
#include <memory>
#include <thread>
#include <vector>

#include "ml/ftrl.h"
#include "ml/synthetic_ctr.h"
#include "operators/learning/train_step.h"
#include "runtime/base/check.h"
#include "runtime/data/batch_builder.h"
#include "runtime/data/derived_batch.h"
#include "runtime/task/local_channel.h"
#include "runtime/task/output_edge.h"
#include "tests/bench/machine.h"
#include "tests/bench/task_bed.h"
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
        : bed_(memory) {
        add_model(trainers);
        for (std::uint32_t i = 0; i < kSources * trainers; ++i)
            channels_.push_back(std::make_unique<task::LocalChannel>(kWindowBytes));
        for (std::uint32_t s = 0; s < kSources; ++s)
            add_source(s, trainers, batches, rows / kRowsPerBatch / kSources);
        for (std::uint32_t t = 0; t < trainers; ++t) add_trainer(t, trainers);
    }
    ~TrainJob() {
        bed_.drop_tasks();
        model_.reset();
        MILLRACE_CHECK(bed_.memory().manager().close_account(*account_).has_value());
    }
    TrainJob(const TrainJob&) = delete;
    TrainJob& operator=(const TrainJob&) = delete;

    void run(std::size_t workers) { bed_.run(workers); }
    [[nodiscard]] std::uint64_t rows_learned() const { return model_->table().counts().learned; }

  private:
    void add_model(std::uint32_t trainers) {
        auto options = model_options(trainers);
        memory::MemoryManager& manager = bed_.memory().manager();
        memory::SlotMemory* slot = &manager.slot(0);
        account_ =
            *manager.open_account("ctr", std::span(&slot, 1), SharedModel::account_bytes(options));
        model_ =
            *SharedModel::make(std::move(options), *account_, bed_.clock(), bed_.registry(), "job");
    }
    void add_source(std::uint32_t s, std::uint32_t trainers,
                    const std::vector<data::BatchPtr>& batches, std::size_t count) {
        task::OperatorChain& chain = bed_.add_task("source" + std::to_string(s)).chain();
        const auto node = chain.add_source(std::make_unique<PreparedSource>(batches, count),
                                           bed_.context(s, kSources));
        std::vector<task::OutputChannel*> outputs;
        for (std::uint32_t t = 0; t < trainers; ++t)
            outputs.push_back(channels_[s * trainers + t].get());
        chain.add_edge(node, 0, task::make_rebalance_edge(outputs));
    }
    void add_trainer(std::uint32_t t, std::uint32_t trainers) {
        task::OperatorChain& chain = bed_.add_task("train" + std::to_string(t)).chain();
        std::vector<std::vector<task::InputChannel*>> inputs(1);
        for (std::uint32_t s = 0; s < kSources; ++s)
            inputs[0].push_back(channels_[s * trainers + t].get());
        std::vector<operators::TrainStep::Target> targets{
            {.model = model_.get(), .features_column = kFeaturesColumn}};
        (void)chain.add_root(std::make_unique<operators::TrainStep>(
                                 std::move(targets), kLabelColumn, data::Kind::kFloat32),
                             bed_.context(t, trainers), std::make_unique<task::InputGate>(inputs));
    }

    std::vector<std::unique_ptr<task::LocalChannel>> channels_;
    TaskBed bed_;
    memory::Account* account_ = nullptr;
    std::unique_ptr<SharedModel> model_;
};

struct Run {
    double rows_per_second = 0;
    double cpu_us = 0;  // A row, all threads.
};

Run measure(millrace::test::SlotWorld& memory, const std::vector<data::BatchPtr>& batches,
            std::uint32_t trainers, std::size_t rows) {
    TrainJob job(memory, batches, trainers, rows);
    const SystemClock clock;
    const double cpu = process_cpu_seconds();
    const TimePoint begin = clock.now();
    job.run(std::max(1U, std::thread::hardware_concurrency()));
    const double seconds = std::chrono::duration<double>(clock.now() - begin).count();
    const double cpu_seconds = process_cpu_seconds() - cpu;
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
