// One model in one process: the training table with its queue, and the serving view.
//
//   train tasks --offer()--> queue --apply()--> table --publish--> view --> predict tasks
//                                     |
//                                     +--> scored rows --take_scored()--> evaluate
//
// Train tasks of any number prepare rows and queue them; whoever gets the table's token applies
// what is queued, strictly one row after the other, so learning is exactly sequential at any
// parallelism. A batch goes through one WorkItem: free, queued, applied, scored (if the model is
// evaluated), free. When `evaluate` lags there are no free items, and with that the train tasks
// wait.
//
// Threads:    offer(), apply(), take_scored() and give_back() from any task; view() from any
//             thread. The token (an atomic flag) makes one thread at a time the table's writer.
// Ownership:  table, view and items live in the model's memory account, borrowed and closed by the
//             owner after the last task. Queued batches stay with the slots that made them.
// Limits:     kItems batches queued, in work or waiting for evaluation, together.
// Failure:    make() answers kResourceExhausted when the account is too small.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "memory/account.h"
#include "memory/memory_pool.h"
#include "ml/learner.h"
#include "ml/metrics.h"
#include "ml/serving_view.h"
#include "ml/table.h"
#include "operators/operator.h"
#include "runtime/base/thread_annotations.h"
#include "runtime/data/batch.h"

namespace millrace::proto {
class ModelReport;
}

namespace millrace::operators {

class SharedModel {
  public:
    // Enough for 100 ms of input at a million rows a second beside what the tasks' windows hold.
    static constexpr std::uint32_t kItems = 64;

    struct Options {
        std::string name;
        unsigned bits = 22;
        std::uint32_t scaled_columns = 0;  // Columns that the feature set standardizes.
        std::uint32_t entries_max = 0;  // Most entries of a batch; needed when columns are scaled.
        double active_features = 1;     // Entries of a typical row, for priors that depend on it.
        std::unique_ptr<const ml::Learner> learner;
        Duration publish_every = std::chrono::milliseconds(100);
        std::uint32_t trainers = 0;  // Train subtasks that will attach.
        bool is_evaluated = false;   // Whether somebody takes the scored rows.
    };

    // One batch on its way through the table.
    struct WorkItem {
        data::BatchPtr batch;
        std::uint32_t features_column = 0;
        std::uint32_t trainer = 0;
        std::uint32_t rows_applied = 0;
        std::span<float> labels;  // kRowsMax; NaN for a null label, which the table skips.
        std::span<float> scores;  // kRowsMax; NaN for a skipped row.
    };

    // Bytes that an account must have for this model.
    [[nodiscard]] static std::size_t account_bytes(const Options& options);

    static Result<std::unique_ptr<SharedModel>> make(Options options, memory::Account& account,
                                                     const Clock& clock, metrics::Registry& metrics,
                                                     const std::string& job);
    SharedModel(const SharedModel&) = delete;
    SharedModel& operator=(const SharedModel&) = delete;
    ~SharedModel();

    // ---- predict
    [[nodiscard]] const ml::Learner& learner() const { return *options_.learner; }
    [[nodiscard]] const ml::ServingView& view() const { return *view_; }

    // ---- train
    // Makes the caller a trainer; its number. REQUIRES: at most Options::trainers calls.
    std::uint32_t attach_trainer(Waker& waker) MILLRACE_EXCLUDES(mutex_);
    // A free item to fill; nullptr when there is none: the trainer is rung once there is.
    WorkItem* claim(std::uint32_t trainer) MILLRACE_EXCLUDES(mutex_);
    // Queues a filled item.
    void enqueue(WorkItem* item) MILLRACE_EXCLUDES(mutex_);

    enum class Applied : std::uint8_t {
        kNothingLeft,  // The queue is empty, or somebody else is the writer and sees to it.
        kMore,         // Time is up; call again.
    };
    // Applies what is queued if the token is free, until `deadline`; publishes when it is due.
    Applied apply(TimePoint deadline) MILLRACE_EXCLUDES(mutex_);
    // When apply() should be called even if nothing comes; TimePoint::max() = never.
    [[nodiscard]] TimePoint publish_due() const;
    // True when all that `trainer` has queued was applied; otherwise it is rung when so.
    bool is_drained(std::uint32_t trainer) MILLRACE_EXCLUDES(mutex_);
    // The trainer will queue nothing more. The last one publishes and ends the scored rows.
    void end_trainer(std::uint32_t trainer) MILLRACE_EXCLUDES(mutex_);

    // ---- evaluate
    void attach_evaluator(Waker& waker) MILLRACE_EXCLUDES(mutex_);
    // The next batch in the order of learning; nullptr when there is none just now.
    WorkItem* take_scored() MILLRACE_EXCLUDES(mutex_);
    void give_back(WorkItem* item) MILLRACE_EXCLUDES(mutex_);
    // True when all trainers have ended and every scored row was taken.
    [[nodiscard]] bool is_scored_out() const MILLRACE_EXCLUDES(mutex_);

    // What the JobManager shows. From any thread.
    void report(proto::ModelReport& report) const;
    // The evaluator's last window.
    void set_quality(const ml::MetricsReport& report, std::optional<double> baseline)
        MILLRACE_EXCLUDES(mutex_);

    // ---- tests and snapshots; REQUIRES: no task runs.
    [[nodiscard]] const ml::Table& table() const { return *table_; }
    [[nodiscard]] const Options& options() const { return options_; }

  private:
    // A first-in first-out list of items that never allocates.
    class Fifo {
      public:
        void push(WorkItem* item) { items_[(first_ + size_++) % kItems] = item; }
        WorkItem* front() const { return size_ == 0 ? nullptr : items_[first_]; }
        void pop() {
            first_ = (first_ + 1) % kItems;
            --size_;
        }
        [[nodiscard]] std::size_t size() const { return size_; }

      private:
        std::array<WorkItem*, kItems> items_{};
        std::size_t first_ = 0;
        std::size_t size_ = 0;
    };
    struct Trainer {
        Waker* waker = nullptr;
        std::uint32_t outstanding = 0;  // Items queued and not yet applied.
        bool waits = false;             // For a free item, or for its own to be applied.
        bool ended = false;
    };

    SharedModel(Options options, const Clock& clock, metrics::Registry& metrics,
                const std::string& job);

    Status take_memory(memory::Account& account);
    void learn(WorkItem& item, std::uint32_t count);
    void note_order(const WorkItem& item);
    void finish(WorkItem* item) MILLRACE_EXCLUDES(mutex_);
    void publish_if_due(TimePoint now);
    void publish();
    WorkItem* front() const MILLRACE_EXCLUDES(mutex_);
    // Collects who is to be rung; ring after unlocking.
    std::vector<Waker*> waiting_trainers() MILLRACE_REQUIRES(mutex_);

    // Constant after construction.
    const Options options_;
    const Clock& clock_;
    std::vector<memory::Segment> segments_;
    std::unique_ptr<ml::Table> table_;
    std::unique_ptr<ml::ServingView> view_;
    std::vector<WorkItem> items_;
    std::span<float> scaled_values_;

    // Belongs to whoever holds the token.
    std::atomic<bool> token_{false};
    bool order_log_complete_ = true;

    // Written by the token's holder, read racily by trainers to plan their next tick.
    std::atomic<std::int64_t> publish_due_ns_{kNever};

    mutable Mutex mutex_;
    Fifo free_ MILLRACE_GUARDED_BY(mutex_);
    Fifo queued_ MILLRACE_GUARDED_BY(mutex_);
    Fifo scored_ MILLRACE_GUARDED_BY(mutex_);
    std::vector<Trainer> trainers_ MILLRACE_GUARDED_BY(mutex_);
    std::uint32_t trainers_ended_ MILLRACE_GUARDED_BY(mutex_) = 0;
    bool scored_ended_ MILLRACE_GUARDED_BY(mutex_) = false;
    Waker* evaluator_ MILLRACE_GUARDED_BY(mutex_) = nullptr;
    ml::MetricsReport quality_ MILLRACE_GUARDED_BY(mutex_);
    std::optional<double> baseline_ MILLRACE_GUARDED_BY(mutex_);

    static constexpr std::int64_t kNever = TimePoint::max().time_since_epoch().count();

    metrics::MetricGroup metrics_;
    metrics::Counter& updates_;
    metrics::Counter& skipped_;
};

}  // namespace millrace::operators
