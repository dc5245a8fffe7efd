// Measures the training core: one writer learning while a reader on another core predicts.
//
//   training_core_bench [RUNS]
//
// 1,000,000 rows of the synthetic stream, 21 features, 2^22 cells in huge pages, batches of 1,024
// rows, the view published every 100 ms. A row of the table is the middle of RUNS runs (5), with
// the smallest and largest. The last column is the ratio to the first case's train time, in the
// same process.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <sys/mman.h>

#include "ml/builtin_learners.h"
#include "ml/feature_compiler.h"
#include "ml/metrics.h"
#include "ml/synthetic_ctr.h"
#include "runtime/base/check.h"

namespace millrace::ml {
namespace {

constexpr unsigned kBits = 22;
constexpr std::uint32_t kRows = 1'000'000;
constexpr std::uint32_t kBatch = 1024;
constexpr std::uint32_t kEntries = SyntheticCtrStream::kFields + 1;
constexpr double kPublishEverySeconds = 0.1;

double now_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

double thread_cpu_seconds() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Zeroed memory in huge pages.
class HugeMemory {
  public:
    explicit HugeMemory(std::size_t bytes) : bytes_((bytes + kPage - 1) / kPage * kPage) {
        // One page more, to begin at a multiple of a page.
        void* mapped = mmap(nullptr, bytes_ + kPage, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        MILLRACE_CHECK(mapped != MAP_FAILED);
        mapped_ = static_cast<std::byte*>(mapped);
        const auto address = reinterpret_cast<std::uintptr_t>(mapped);
        begin_ = mapped_ + (kPage - address % kPage) % kPage;
        madvise(begin_, bytes_, MADV_HUGEPAGE);
        std::fill_n(begin_, bytes_, std::byte{0});
    }
    ~HugeMemory() { munmap(mapped_, bytes_ + kPage); }
    HugeMemory(const HugeMemory&) = delete;
    HugeMemory& operator=(const HugeMemory&) = delete;

    template <class T>
    [[nodiscard]] std::span<T> first(std::size_t count) const {
        return {reinterpret_cast<T*>(begin_), count};
    }

  private:
    static constexpr std::size_t kPage = 2U << 20;
    std::size_t bytes_;
    std::byte* mapped_ = nullptr;
    std::byte* begin_ = nullptr;
};

struct Model {
    explicit Model(const LearnerOptions& options)
        : learner(make_learner(options).value()),
          cells(Table::cell_bytes(kBits)),
          dirty(DirtyLines::bytes(kBits)),
          view_memory(ServingView::bytes(kBits, learner->view_lanes())),
          table(kBits,
                {.cells = cells.first<Cell>(std::size_t{1} << kBits),
                 .dirty = dirty.first<std::uint64_t>(DirtyLines::bytes(kBits) / 8)},
                Table::Content::kZeroed),
          view(view_memory.first<std::byte>(ServingView::bytes(kBits, learner->view_lanes())),
               kBits, learner->view_lanes(), true) {
        learner->set_prior(table, kEntries);
        table.publish(view);
    }
    std::unique_ptr<Learner> learner;
    HugeMemory cells;
    HugeMemory dirty;
    HugeMemory view_memory;
    Table table;
    ServingView view;
};

struct Stream {
    Stream() {
        SyntheticCtrStream stream(1);
        for (std::uint32_t r = 0; r < kRows; ++r) {
            const SyntheticCtrStream::Event event = stream.next();
            offsets.push_back(static_cast<std::int32_t>(slots.size()));
            slots.push_back(kBiasSlot);
            for (std::uint32_t f = 0; f < SyntheticCtrStream::kFields; ++f) {
                slots.push_back(SyntheticCtrStream::slot(f, event.fields[f], kBits));
            }
            labels.push_back(event.click ? 1.0F : 0.0F);
        }
        offsets.push_back(static_cast<std::int32_t>(slots.size()));
    }
    [[nodiscard]] SparseRows batch(std::uint32_t begin) const {
        const SparseRows all{.row_count = kRows,
                             .offsets = offsets.data(),
                             .slots = slots.data(),
                             .labels = labels.data()};
        return all.slice(begin, std::min(kBatch, kRows - begin));
    }
    std::vector<std::int32_t> offsets;
    std::vector<std::uint32_t> slots;
    std::vector<float> labels;
};

// What one run came to, in nanoseconds a row.
struct Run {
    double train = 0;
    double predict = 0;
    double publish_share = 0;  // Of the train time.
    double log_loss = 0;
};

// Reads on another thread from start to stop.
class Reader {
  public:
    Reader(const Model& model, const Stream& stream)
        : thread_([this, &model, &stream] { read(model, stream); }) {}
    // Nanoseconds a row.
    double stop() {
        stop_ = true;
        thread_.join();
        return seconds_ / static_cast<double>(rows_) * 1e9;
    }

  private:
    void read(const Model& model, const Stream& stream) {
        std::vector<float> scores(kBatch);
        const double begin = thread_cpu_seconds();
        while (!stop_) {
            for (std::uint32_t at = 0; at < kRows && !stop_; at += kBatch) {
                const SparseRows rows = stream.batch(at);
                model.learner->predict_rows(model.view, rows,
                                            std::span(scores).first(rows.row_count), {});
                rows_ += rows.row_count;
            }
        }
        seconds_ = thread_cpu_seconds() - begin;
    }

    std::uint64_t rows_ = 0;
    double seconds_ = 0;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

Run train_once(const LearnerOptions& options, const Stream& stream, bool with_reader) {
    Model model(options);
    std::vector<float> scores(kRows);
    Run run;
    std::optional<Reader> reader;
    if (with_reader) reader.emplace(model, stream);
    const double begin = thread_cpu_seconds();
    double published = now_seconds();
    double publishing = 0;
    for (std::uint32_t at = 0; at < kRows; at += kBatch) {
        const SparseRows rows = stream.batch(at);
        model.learner->train_rows(model.table, rows, std::span(scores).subspan(at, rows.row_count));
        if (now_seconds() - published >= kPublishEverySeconds) {
            const double time = thread_cpu_seconds();
            model.table.publish(model.view);
            publishing += thread_cpu_seconds() - time;
            published = now_seconds();
        }
    }
    const double seconds = thread_cpu_seconds() - begin;
    if (reader) run.predict = reader->stop();
    run.train = seconds / kRows * 1e9;
    run.publish_share = publishing / seconds;
    BinaryMetrics metrics;
    for (std::uint32_t r = 0; r < kRows; ++r) {
        metrics.add(static_cast<double>(scores[r]), static_cast<double>(stream.labels[r]));
    }
    run.log_loss = *metrics.log_loss();
    return run;
}

struct Spread {
    double smallest, middle, largest;
};

Spread spread_of(std::vector<Run> runs, double Run::* what) {
    std::ranges::sort(runs, {}, what);
    return {runs.front().*what, runs[runs.size() / 2].*what, runs.back().*what};
}

std::string machine() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
        if (line.starts_with("model name")) {
            return line.substr(line.find(':') + 2) + ", " +
                   std::to_string(std::thread::hardware_concurrency()) + " threads";
        }
    }
    return "unknown";
}

void report(const char* name, const LearnerOptions& options, const Stream& stream, bool reader,
            int count, double& base) {
    std::vector<Run> runs;
    runs.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) runs.push_back(train_once(options, stream, reader));
    const Spread train = spread_of(runs, &Run::train);
    const Spread predict = spread_of(runs, &Run::predict);
    if (base == 0) base = train.middle;
    std::printf("%-28s %6.1f %6.1f %6.1f   %6.1f %6.1f %6.1f   %4.1f %%   %.5f   %.2f\n", name,
                train.smallest, train.middle, train.largest, predict.smallest, predict.middle,
                predict.largest, 100 * runs[0].publish_share, runs[0].log_loss,
                train.middle / base);
    std::fflush(stdout);
}

// The feature compiler alone: 20 int32 columns without nulls into slots, batches of 1,024 rows.
double compile_once() {
    std::vector<std::vector<std::int32_t>> fields(SyntheticCtrStream::kFields);
    SyntheticCtrStream stream(1);
    for (std::uint32_t r = 0; r < kBatch; ++r) {
        const SyntheticCtrStream::Event event = stream.next();
        for (std::uint32_t f = 0; f < SyntheticCtrStream::kFields; ++f) {
            fields[f].push_back(static_cast<std::int32_t>(event.fields[f]));
        }
    }
    FeatureSpec spec{.bits = kBits, .columns = {}};
    std::vector<ColumnView> views;
    for (std::uint32_t f = 0; f < SyntheticCtrStream::kFields; ++f) {
        spec.columns.push_back({.name = "f" + std::to_string(f)});
        views.push_back({.kind = ColumnKind::kInt32, .values = fields[f].data()});
    }
    const std::vector<FieldType> types(views.size(), {.kind = ColumnKind::kInt32});
    const FeatureCompiler compiler = FeatureCompiler::create(spec, types).value();
    std::vector<std::int32_t> offsets(kBatch + 1);
    std::vector<std::uint32_t> slots(compiler.entries_max(views, kBatch));
    std::vector<std::uint64_t> scratch(compiler.scratch_words());
    constexpr int kBatches = 1000;
    const double begin = thread_cpu_seconds();
    for (int i = 0; i < kBatches; ++i) {
        compiler.compile(views, kBatch, {.offsets = offsets, .slots = slots, .values = {}},
                         scratch);
    }
    return (thread_cpu_seconds() - begin) / (kBatches * double{kBatch}) * 1e9;
}

int run(int runs) {
    const Stream stream;
    std::printf("machine: %s\ncommand: training_core_bench %d\n", machine().c_str(), runs);
    std::printf("%-28s %20s   %20s   %6s   %s   %s\n", "ns per row, 21 features, 2^22",
                "train min/mid/max", "predict min/mid/max", "publ.", "log loss", "ratio");
    double base = 0;
    const FtrlOptions ftrl{.alpha = 0.2};
    const AdPredictorOptions bayes{.prior_rate = 0.1};
    report("ftrl, writer alone", ftrl, stream, false, runs, base);
    report("ftrl, reader beside", ftrl, stream, true, runs, base);
    report("adpredictor, writer alone", bayes, stream, false, runs, base);
    report("adpredictor, reader beside", bayes, stream, true, runs, base);
    report("adagrad, reader beside", AdaGradOptions{}, stream, true, runs, base);
    report("sgd, reader beside", SgdOptions{}, stream, true, runs, base);
    std::vector<double> compile;
    compile.reserve(static_cast<std::size_t>(runs));
    for (int i = 0; i < runs; ++i) compile.push_back(compile_once());
    std::ranges::sort(compile);
    std::printf("%-28s %6.1f %6.1f %6.1f\n", "features, 20 int32 columns", compile.front(),
                compile[compile.size() / 2], compile.back());
    return 0;
}

}  // namespace
}  // namespace millrace::ml

int main(int argc, char** argv) {
    const int runs = argc > 1 ? std::atoi(argv[1]) : 5;
    if (runs < 1) {
        std::fputs("usage: training_core_bench [RUNS >= 1]\n", stderr);
        return 64;
    }
    return millrace::ml::run(runs);
}
