// One model in one process: the training table with its queue, and the serving view.
//
//   train tasks --enqueue()--> queue --apply()--> table --publish--> view --> predict tasks
//                                        |
//                                        +--> scored rows --take_scored()--> evaluate
//
// Train tasks of any number prepare rows and queue them; one of them is the writer and applies what
// is queued, strictly one row after the other, so learning is exactly sequential at any
// parallelism: in the order in which batches were queued, or in canonical order (row_order.h). Only
// a task on the writer's thread takes its place, so that the table's lines stay with one core; when
// the writer ends, the next one follows. A batch goes through one WorkItem: free, queued, applied,
// looked at by `evaluate` if there is one, free. When `evaluate` lags there are no free items, and
// with that the train tasks wait.
//
// Rows come in feeds. Without canonical order there is one, for all trainers. With it, each subtask
// upstream is one and has its own share of the items, so that a feed that is ahead never takes the
// room of the one that all wait for. A split that is silent for too long, or that cannot come
// because its feed is full of other splits' rows, is skipped, and the order log says where.
//
// Threads:    claim() to end_trainer() from any task; view() and report() from any thread. In
//             apply() the token (an atomic flag) lets one task at a time write.
// Ownership:  table, view and items live in the model's memory account, borrowed and closed by the
//             owner after the last task. Queued batches stay with the slots that made them.
// Limits:     item_count() batches, and held_bytes_max() bytes of them with one batch a feed
//             beyond, queued, in work or waiting for `evaluate`, together.
// Failure:    make() answers kResourceExhausted when the account is too small.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "memory/account.h"
#include "memory/memory_pool.h"
#include "ml/learner.h"
#include "ml/metrics.h"
#include "ml/serving_view.h"
#include "ml/table.h"
#include "ml/table_digest.h"
#include "operators/learning/row_gather.h"
#include "operators/learning/row_order.h"
#include "operators/operator.h"
#include "runtime/base/thread_annotations.h"
#include "runtime/data/batch.h"

namespace millrace::proto {
class ModelReport;
}

namespace millrace::operators {

class SharedModel {
  public:
    static constexpr std::uint32_t kItems = 64;
    // One feed's share is never less than this: one batch in work and one that comes.
    static constexpr std::uint32_t kFeedItemsMin = 2;
    // Some 20,000 rows: three milliseconds of learning; what waits longer, waits in channels.
    static constexpr std::size_t kHeldBytesMax = std::size_t{4} << 20;
    // Canonical order also keeps what is ahead of the split that all wait for.
    static constexpr std::size_t kOrderedBytesMax = std::size_t{16} << 20;
    // A model that has learned nothing for so long is digested, for report().
    static constexpr Duration kQuiet = std::chrono::seconds(1);
    // While rows wait for a silent split, the writer looks so often; when it could not for so long,
    // that time is no silence of the split.
    static constexpr Duration kLookEvery = std::chrono::milliseconds(500);
    static constexpr Duration kPauseMin = std::chrono::seconds(1);

    struct Options {
        std::string name;
        unsigned bits = 22;
        std::uint32_t scaled_columns = 0;   // Columns that the feature set standardizes.
        std::uint32_t entries_row_max = 1;  // Most entries of a row.
        double active_features = 1;         // Of a typical row, for priors that depend on it.
        std::unique_ptr<const ml::Learner> learner;
        Duration publish_every = std::chrono::milliseconds(100);
        std::uint32_t trainers = 0;      // Train subtasks that will attach.
        bool is_evaluated = false;       // Whether somebody takes the scored rows.
        std::optional<OrderPlan> order;  // Canonical order; with at least one feed.

        [[nodiscard]] std::size_t entries_max() const { return entries_row_max * data::kRowsMax; }
    };

    // One batch on its way through the table.
    struct WorkItem {
        data::BatchPtr batch;
        std::uint32_t features_column = 0;
        std::uint32_t number = 0;  // Constant.
        std::uint32_t feed = 0;
        std::uint32_t trainer = 0;
        std::size_t bytes = 0;
        std::uint32_t rows_applied = 0;
        std::uint32_t rows_returned = 0;  // By `evaluate`.
        std::span<float> labels;          // kRowsMax; NaN for a null label, which the table skips.
        std::span<float> scores;          // kRowsMax; NaN for a skipped row.
    };
    // Rows of an item, next to each other, in the order of learning.
    struct ScoredRun {
        std::uint32_t item = 0;
        std::uint16_t first_row = 0;
        std::uint16_t count = 0;
    };

    // Bytes that an account must have for this model.
    [[nodiscard]] static std::size_t account_bytes(const Options& options);
    [[nodiscard]] static std::uint32_t item_count(const Options& options);
    // Bytes of batches, paid by the slots that made them, that wait in this model.
    [[nodiscard]] static std::size_t held_bytes_max(bool is_ordered) {
        return is_ordered ? kOrderedBytesMax : kHeldBytesMax;
    }

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
    [[nodiscard]] bool is_ordered() const { return options_.order.has_value(); }
    // Makes the caller a trainer; its number. REQUIRES: at most Options::trainers calls.
    std::uint32_t attach_trainer(Waker& waker) MILLRACE_EXCLUDES(mutex_);
    // Whether claim() would succeed. If not, the trainer is rung when items were freed: in
    // canonical order by each, in arrival order once half of the room is free, or nothing of its
    // own is queued any more.
    bool has_room(std::uint32_t trainer, std::uint32_t feed) MILLRACE_EXCLUDES(mutex_);
    // A free item to fill; nullptr when there is no room: the trainer is rung as has_room() says. A
    // feed has one trainer (in arrival order the one feed, 0, has all).
    WorkItem* claim(std::uint32_t trainer, std::uint32_t feed) MILLRACE_EXCLUDES(mutex_);
    // Queues a filled item.
    void enqueue(WorkItem* item) MILLRACE_EXCLUDES(mutex_);
    // Nothing more comes from this feed. Idempotent. REQUIRES: is_ordered(); apply() follows.
    void end_feed(std::uint32_t feed) MILLRACE_EXCLUDES(mutex_);
    // A split was found later. Errors: kResourceExhausted when there are too many.
    Status add_split(OrderPlan::Split split) MILLRACE_EXCLUDES(mutex_);

    // Whether `trainer` is the writer: the one that applied last, or that follows one that ended.
    // The writer sees to has_news() and next_tick(): it looks at them after apply(), and when rung.
    [[nodiscard]] bool is_writer(std::uint32_t trainer) const {
        return writer_.load(std::memory_order_acquire) == trainer;
    }
    // Rings the writer if there is something to apply.
    void call_writer() MILLRACE_EXCLUDES(mutex_);

    enum class Applied : std::uint8_t {
        kNothingLeft,  // Or somebody else sees to it: who applies just now, or the writer.
        kMore,         // Time is up; call again.
    };
    // Applies what is queued, until `deadline`, and publishes when it is due; the trainer is the
    // writer from then on. One that is not, and runs on another thread, calls the writer instead.
    Applied apply(std::uint32_t trainer, TimePoint deadline) MILLRACE_EXCLUDES(mutex_);
    // Whether something was queued, or ended, that apply() has not seen or not finished.
    [[nodiscard]] bool has_news() const MILLRACE_EXCLUDES(mutex_);
    // When apply() should be called even if nothing comes; TimePoint::max() = never.
    [[nodiscard]] TimePoint next_tick() const;
    // True when all that `trainer` has queued was applied; otherwise it is rung when so.
    bool is_drained(std::uint32_t trainer) MILLRACE_EXCLUDES(mutex_);
    // The trainer will queue nothing more; if it is the writer, another one becomes it. The last
    // one publishes and ends the scored rows.
    void end_trainer(std::uint32_t trainer) MILLRACE_EXCLUDES(mutex_);
    // The trainer's task is closed, whether it ended or not: it is not the writer any more.
    void leave(std::uint32_t trainer) MILLRACE_EXCLUDES(mutex_);

    // ---- evaluate
    void attach_evaluator(Waker& waker) MILLRACE_EXCLUDES(mutex_);
    // Takes the next rows in the order of learning; how many runs were written to `runs`.
    std::size_t take_scored(std::span<ScoredRun> runs) MILLRACE_EXCLUDES(mutex_);
    [[nodiscard]] const WorkItem& item(std::uint32_t number) const { return items_[number]; }
    void give_back(std::span<const ScoredRun> runs) MILLRACE_EXCLUDES(mutex_);
    // True when all trainers have ended and every scored row was taken.
    [[nodiscard]] bool is_scored_out() const MILLRACE_EXCLUDES(mutex_);

    // What the JobManager shows. From any thread.
    void report(proto::ModelReport& report) const MILLRACE_EXCLUDES(mutex_);
    // The evaluator's last window.
    void set_quality(const ml::MetricsReport& report, std::optional<double> baseline)
        MILLRACE_EXCLUDES(mutex_);

    [[nodiscard]] const Options& options() const { return options_; }
    // For tests and snapshots. REQUIRES: no task runs.
    [[nodiscard]] const ml::Table& table() const { return *table_; }

  private:
    // A first-in first-out list in borrowed memory.
    template <class T>
    class Fifo {
      public:
        void use(std::span<T> memory) { memory_ = memory; }
        void push(const T& value) { memory_[(first_ + size_++) % memory_.size()] = value; }
        [[nodiscard]] T& front() { return memory_[first_]; }
        [[nodiscard]] T& back() { return memory_[(first_ + size_ - 1) % memory_.size()]; }
        void pop() {
            first_ = (first_ + 1) % memory_.size();
            --size_;
        }
        [[nodiscard]] bool is_empty() const { return size_ == 0; }
        [[nodiscard]] std::size_t size() const { return size_; }

      private:
        std::span<T> memory_;
        std::size_t first_ = 0;
        std::size_t size_ = 0;
    };
    struct Trainer {
        Waker* waker = nullptr;
        std::uint32_t outstanding = 0;  // Items queued and not yet applied.
        bool waits = false;  // For room in any feed, or for its own to be applied, until rung.
        bool ended = false;
        bool has_left = false;
    };
    struct Feed {
        std::uint32_t held = 0;      // Items claimed and not yet free.
        std::uint32_t admitted = 0;  // Those of them that wait in the order.
        std::size_t bytes = 0;
        bool has_ended = false;
        bool was_full = false;  // And has room again, which the order does not know yet.
    };
    // Rows that are applied together, and whose they are.
    struct Slice {
        WorkItem* item = nullptr;
        std::uint32_t first_row = 0;
        std::uint32_t count = 0;
    };
    // What the table had learned by then.
    struct Digest {
        std::uint64_t digest = 0;
        std::uint64_t rows_learned = 0;
    };
    // Rows between two looks at the clock: some 20 us of learning.
    static constexpr std::uint32_t kRowsPerLook = 128;

    SharedModel(Options options, const Clock& clock, metrics::Registry& metrics,
                const std::string& job);

    Status take_memory(memory::Account& account, const std::string& job);
    void carve_queues(std::byte* at);
    [[nodiscard]] bool has_room_locked(const Feed& feed) const MILLRACE_REQUIRES(mutex_);
    bool has_room_or_waits(std::uint32_t trainer, std::uint32_t feed) MILLRACE_REQUIRES(mutex_);
    [[nodiscard]] bool has_news_locked() const MILLRACE_REQUIRES(mutex_);

    [[nodiscard]] bool may_apply(std::uint32_t trainer) const;

    // The token holder's.
    void become_writer(std::uint32_t trainer) MILLRACE_EXCLUDES(mutex_);
    bool apply_until(TimePoint deadline) MILLRACE_EXCLUDES(mutex_);
    [[nodiscard]] std::span<const Slice> next_slices(TimePoint now) MILLRACE_EXCLUDES(mutex_);
    [[nodiscard]] std::span<const Slice> front_slice() MILLRACE_EXCLUDES(mutex_);
    [[nodiscard]] std::span<const Slice> ordered_slices(TimePoint now) MILLRACE_EXCLUDES(mutex_);
    void note_look(TimePoint now);
    void admit_queued(TimePoint now) MILLRACE_EXCLUDES(mutex_);
    // True when a split was skipped, so that there may be rows now.
    bool skip_if_due(TimePoint now) MILLRACE_EXCLUDES(mutex_);
    void excuse_held_up(TimePoint now) MILLRACE_EXCLUDES(mutex_);
    [[nodiscard]] bool is_crowded_out(std::span<const std::uint32_t> feeds) const
        MILLRACE_EXCLUDES(mutex_);
    void learn(std::span<const Slice> slices);
    std::size_t gather(std::span<const Slice> slices);
    void spread_scores(std::span<const Slice> slices);
    void train(ml::SparseRows rows, std::span<float> scores);
    void settle(std::span<const Slice> slices) MILLRACE_EXCLUDES(mutex_);
    void push_scored(const Slice& slice) MILLRACE_REQUIRES(mutex_);
    void free_item(WorkItem& item) MILLRACE_REQUIRES(mutex_);
    void note_order(const Slice& slice);
    void note_run(std::uint32_t split, std::uint32_t count);
    void publish_if_due(TimePoint now);
    void publish();
    // False when there is more of it to do.
    bool digest_if_due(TimePoint now, TimePoint deadline) MILLRACE_EXCLUDES(mutex_);
    void set_digest(std::uint64_t digest) MILLRACE_EXCLUDES(mutex_);
    [[nodiscard]] Waker* hand_over(std::uint32_t trainer) MILLRACE_REQUIRES(mutex_);
    [[nodiscard]] bool should_ring(const Trainer& trainer) const MILLRACE_REQUIRES(mutex_);
    // Collects who is to be rung; ring after unlocking.
    std::vector<Waker*> waiting_trainers() MILLRACE_REQUIRES(mutex_);

    // Constant after construction.
    const Options options_;
    const Clock& clock_;
    std::vector<memory::Segment> segments_;
    std::unique_ptr<ml::Table> table_;
    std::unique_ptr<ml::ServingView> view_;
    std::vector<WorkItem> items_;  // Each belongs to where it is: free, a trainer, the writer...
    std::uint32_t feed_items_ = 0;
    std::size_t feed_bytes_ = 0;

    // Stored under the mutex, by the token's holder or a writer that ends: so a call that rings the
    // last writer has queued its rows before the next one looks.
    std::atomic<std::uint32_t> writer_{0};
    // Of who held the token last. Read racily by others; a stale one costs a ring.
    std::atomic<std::thread::id> writer_thread_;

    // The token holder's.
    std::atomic<bool> token_{false};
    std::atomic<bool> is_unfinished_{false};  // The last call of apply() had more to do.
    bool order_log_complete_ = true;
    bool is_order_pure_ = true;  // Canonical, and the input alone tells the order so far.
    std::optional<RowOrder> order_;
    TimePoint looked_at_{};      // When rows in order were asked for last,
    bool is_listening_ = false;  // and whether some came, or waited for others.
    std::array<Slice, kRowsPerLook> slices_;
    RowGather gather_;
    std::span<float> scaled_values_;
    std::vector<WorkItem*> arrived_;
    std::vector<std::uint32_t> ended_feeds_;
    std::optional<ml::TableDigest> digesting_;

    // Written by the token's holder; read racily by a writer whose place that one is taking.
    std::atomic<std::int64_t> publish_due_ns_{kNever};
    std::atomic<std::int64_t> skip_due_ns_{kNever};
    std::atomic<std::int64_t> digest_due_ns_{kNever};

    mutable Mutex mutex_;
    Fifo<std::uint32_t> free_ MILLRACE_GUARDED_BY(mutex_);
    Fifo<std::uint32_t> queued_ MILLRACE_GUARDED_BY(mutex_);
    Fifo<ScoredRun> scored_ MILLRACE_GUARDED_BY(mutex_);
    std::vector<Trainer> trainers_ MILLRACE_GUARDED_BY(mutex_);
    std::vector<Feed> feeds_ MILLRACE_GUARDED_BY(mutex_);
    std::vector<std::uint32_t> feeds_ending_ MILLRACE_GUARDED_BY(mutex_);
    std::vector<OrderPlan::Split> splits_new_ MILLRACE_GUARDED_BY(mutex_);
    std::size_t splits_known_ MILLRACE_GUARDED_BY(mutex_) = 0;
    std::uint32_t trainers_ended_ MILLRACE_GUARDED_BY(mutex_) = 0;
    bool scored_ended_ MILLRACE_GUARDED_BY(mutex_) = false;
    Waker* evaluator_ MILLRACE_GUARDED_BY(mutex_) = nullptr;
    ml::MetricsReport quality_ MILLRACE_GUARDED_BY(mutex_);
    std::optional<double> baseline_ MILLRACE_GUARDED_BY(mutex_);
    std::optional<Digest> digest_ MILLRACE_GUARDED_BY(mutex_);

    static constexpr std::int64_t kNever = TimePoint::max().time_since_epoch().count();

    metrics::MetricGroup metrics_;
    metrics::Counter& updates_;
    metrics::Counter& skipped_;
    metrics::Counter& splits_skipped_;
};

}  // namespace millrace::operators
