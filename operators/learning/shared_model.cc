#include "operators/learning/shared_model.h"

#include <algorithm>

#include "proto/control.pb.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"

namespace millrace::operators {
namespace {

// Rows between two looks at the clock: some 20 us of learning.
constexpr std::uint32_t kRowsPerLook = 128;
// Runs of the order log: a quarter of a MiB a model, about a million rows between checkpoints when
// splits alternate with every row, a hundred times that when they alternate with every batch.
constexpr std::size_t kOrderRuns = 32 * 1024;

constexpr std::size_t rounded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

std::size_t item_bytes() { return 2 * rounded(data::kRowsMax * sizeof(float)); }

std::size_t small_bytes(const SharedModel::Options& options) {
    return rounded(ml::Table::dirty_bytes(options.bits)) +  // dirty map
           rounded(kOrderRuns * sizeof(ml::OrderRun)) +     // order log
           SharedModel::kItems * item_bytes() +             // labels and scores
           (options.scaled_columns > 0 ? rounded(options.entries_max * sizeof(float)) : 0);
}

}  // namespace

std::size_t SharedModel::account_bytes(const Options& options) {
    // The allocator rounds each of the three segments up to a page.
    constexpr std::size_t kPages = 3 * std::size_t{32} * 1024;
    return ml::Table::cell_bytes(options.bits) +
           ml::ServingView::bytes(options.bits, options.learner->view_lanes()) +
           small_bytes(options) + kPages;
}

SharedModel::SharedModel(Options options, const Clock& clock, metrics::Registry& metrics,
                         const std::string& job)
    : options_(std::move(options)),
      clock_(clock),
      items_(kItems),
      trainers_(options_.trainers),
      metrics_(metrics, {{"job_name", job}, {"model", options_.name}}),
      updates_(
          metrics_.counter("millrace_model_updates_total", "Rows that the model has learned.")),
      skipped_(metrics_.counter("millrace_model_rows_skipped_total",
                                "Rows that were not learned: label or value not allowed.")) {}

Result<std::unique_ptr<SharedModel>> SharedModel::make(Options options, memory::Account& account,
                                                       const Clock& clock,
                                                       metrics::Registry& metrics,
                                                       const std::string& job) {
    std::unique_ptr<SharedModel> model(new SharedModel(std::move(options), clock, metrics, job));
    MILLRACE_TRY(model->take_memory(account));
    SharedModel* self = model.get();
    model->metrics_.gauge_of("millrace_model_version", "Number of the serving view's last refresh.",
                             [self] { return static_cast<double>(self->view_->version()); });
    model->metrics_.gauge_of("millrace_model_rows_queued", "Batches of rows queued at the table.",
                             [self] {
                                 const MutexLock lock(self->mutex_);
                                 return static_cast<double>(self->queued_.size());
                             });
    return model;
}

SharedModel::~SharedModel() { MILLRACE_CHECK(!token_.load()); }

Status SharedModel::take_memory(memory::Account& account) {
    const auto owner = [&](memory::Purpose purpose) {
        return memory::MemoryOwner::of(
            account, {.job = "", .operator_name = options_.name, .subtask = 0, .purpose = purpose});
    };
    const auto lanes = options_.learner->view_lanes();
    MILLRACE_TRY_ASSIGN(const auto tables, owner(memory::Purpose::kTable));
    MILLRACE_TRY_ASSIGN(const auto views, owner(memory::Purpose::kView));
    MILLRACE_TRY_ASSIGN(const auto queues, owner(memory::Purpose::kDecode));
    const std::size_t cell_bytes = ml::Table::cell_bytes(options_.bits);
    const std::size_t view_bytes = ml::ServingView::bytes(options_.bits, lanes);
    MILLRACE_TRY_ASSIGN(auto cells, tables.allocate_table(cell_bytes));
    MILLRACE_TRY_ASSIGN(auto view, views.allocate_table(view_bytes));
    MILLRACE_TRY_ASSIGN(auto small, queues.allocate(small_bytes(options_)));

    std::byte* at = small.data();
    const auto carve = [&at]<class T>(T*, std::size_t count) {
        const std::span<T> piece(reinterpret_cast<T*>(at), count);
        at += rounded(count * sizeof(T));
        return piece;
    };
    const ml::Table::Memory memory{
        .cells = {reinterpret_cast<ml::Cell*>(cells.data()), std::size_t{1} << options_.bits},
        .dirty = carve(static_cast<std::uint8_t*>(nullptr), ml::Table::dirty_bytes(options_.bits)),
        .order_runs = carve(static_cast<ml::OrderRun*>(nullptr), kOrderRuns)};
    table_ = std::make_unique<ml::Table>(options_.bits, memory, ml::Table::Content::kUnknown,
                                         options_.scaled_columns);
    view_ = std::make_unique<ml::ServingView>(view.bytes().first(view_bytes), options_.bits, lanes,
                                              false);
    options_.learner->set_prior(*table_, options_.active_features);
    table_->publish(*view_);

    const MutexLock lock(mutex_);
    for (WorkItem& item : items_) {
        item.labels = carve(static_cast<float*>(nullptr), data::kRowsMax);
        item.scores = carve(static_cast<float*>(nullptr), data::kRowsMax);
        free_.push(&item);
    }
    if (options_.scaled_columns > 0) {
        scaled_values_ = carve(static_cast<float*>(nullptr), options_.entries_max);
    }
    segments_.push_back(std::move(cells));
    segments_.push_back(std::move(view));
    segments_.push_back(std::move(small));
    return {};
}

std::uint32_t SharedModel::attach_trainer(Waker& waker) {
    const MutexLock lock(mutex_);
    for (std::uint32_t i = 0; i < trainers_.size(); ++i) {
        if (trainers_[i].waker != nullptr) continue;
        trainers_[i].waker = &waker;
        return i;
    }
    MILLRACE_CHECK(!"more trainers attached than the plan has");
    return 0;
}

SharedModel::WorkItem* SharedModel::claim(std::uint32_t trainer) {
    const MutexLock lock(mutex_);
    WorkItem* item = free_.front();
    trainers_[trainer].waits = item == nullptr;
    if (item == nullptr) return nullptr;
    free_.pop();
    item->trainer = trainer;
    item->rows_applied = 0;
    return item;
}

void SharedModel::enqueue(WorkItem* item) {
    const MutexLock lock(mutex_);
    ++trainers_[item->trainer].outstanding;
    queued_.push(item);
}

SharedModel::WorkItem* SharedModel::front() const {
    const MutexLock lock(mutex_);
    return queued_.front();
}

SharedModel::Applied SharedModel::apply(TimePoint deadline) {
    // Whoever queued a batch while the token was taken relies on the holder: hence the second look
    // at the queue after the token was given back.
    while (true) {
        if (token_.exchange(true, std::memory_order_acquire)) return Applied::kNothingLeft;
        TimePoint now = clock_.now();
        bool more = false;
        while (WorkItem* item = front()) {
            const auto rows = static_cast<std::uint32_t>(item->batch->rows());
            learn(*item, std::min(kRowsPerLook, rows - item->rows_applied));
            if (item->rows_applied == rows) finish(item);
            now = clock_.now();
            more = now >= deadline;
            if (more) break;
        }
        publish_if_due(now);
        token_.store(false, std::memory_order_seq_cst);
        if (more) return front() == nullptr ? Applied::kNothingLeft : Applied::kMore;
        if (front() == nullptr) return Applied::kNothingLeft;
    }
}

void SharedModel::learn(WorkItem& item, std::uint32_t count) {
    const data::Column& features = item.batch->column(item.features_column);
    const ml::SparseRows all{.row_count = static_cast<std::uint32_t>(item.batch->rows()),
                             .offsets = features.offsets,
                             .slots = features.as<std::uint32_t>(),
                             .values = features.weights,
                             .labels = item.labels.data()};
    ml::SparseRows rows = all.slice(item.rows_applied, count);
    if (options_.scaled_columns > 0 && rows.values != nullptr) {
        table_->scaler().learn_and_transform(rows, options_.learner->label_rule(), scaled_values_);
        rows.values = scaled_values_.data();
    }
    const ml::RowCounts counts =
        options_.learner->train_rows(*table_, rows, item.scores.subspan(item.rows_applied, count));
    updates_.add(counts.learned);
    skipped_.add(counts.skipped());
    item.rows_applied += count;
    std::int64_t never = kNever;
    publish_due_ns_.compare_exchange_strong(
        never, (clock_.now() + options_.publish_every).time_since_epoch().count(),
        std::memory_order_relaxed);
}

// The order log is cut at checkpoints; when it is full before the next one, the model can no longer
// be rebuilt from it, which is said once.
void SharedModel::note_order(const WorkItem& item) {
    const std::int32_t* split = item.batch->positions().split;
    const std::size_t rows = item.batch->rows();
    for (std::size_t begin = 0; begin < rows && order_log_complete_;) {
        std::size_t end = begin + 1;
        while (end < rows && split[end] == split[begin]) ++end;
        order_log_complete_ = table_->order_log().append(static_cast<std::uint32_t>(split[begin]),
                                                         static_cast<std::uint32_t>(end - begin));
        if (!order_log_complete_) {
            log::info("model {}: its order log is full after {} runs and is no longer kept",
                      options_.name, table_->order_log().capacity());
        }
        begin = end;
    }
}

void SharedModel::finish(WorkItem* item) {
    note_order(*item);
    if (!options_.is_evaluated) item->batch = {};  // Outside the lock: it may free memory.
    Waker* evaluator = nullptr;
    std::vector<Waker*> waiting;
    {
        const MutexLock lock(mutex_);
        MILLRACE_CHECK(queued_.front() == item);
        queued_.pop();
        --trainers_[item->trainer].outstanding;
        if (options_.is_evaluated) {
            scored_.push(item);
            evaluator = evaluator_;
        } else {
            free_.push(item);
        }
        waiting = waiting_trainers();
    }
    if (evaluator != nullptr) evaluator->wake();
    for (Waker* waker : waiting) waker->wake();
}

std::vector<Waker*> SharedModel::waiting_trainers() {
    std::vector<Waker*> waiting;
    for (Trainer& trainer : trainers_) {
        if (!trainer.waits) continue;
        trainer.waits = false;
        waiting.push_back(trainer.waker);
    }
    return waiting;
}

TimePoint SharedModel::publish_due() const {
    return TimePoint(Duration(publish_due_ns_.load(std::memory_order_relaxed)));
}

void SharedModel::publish_if_due(TimePoint now) {
    if (now >= publish_due()) publish();
}

void SharedModel::publish() {
    publish_due_ns_.store(kNever, std::memory_order_relaxed);
    table_->publish(*view_);
}

bool SharedModel::is_drained(std::uint32_t trainer) {
    const MutexLock lock(mutex_);
    trainers_[trainer].waits = trainers_[trainer].outstanding > 0;
    return !trainers_[trainer].waits;
}

void SharedModel::end_trainer(std::uint32_t trainer) {
    Waker* evaluator = nullptr;
    {
        const MutexLock lock(mutex_);
        if (trainers_[trainer].ended) return;
        trainers_[trainer].ended = true;
        if (++trainers_ended_ < trainers_.size()) return;
    }
    // Nobody queues any more; a holder of the token can only be giving it back.
    while (token_.exchange(true, std::memory_order_acquire)) {
    }
    publish();
    token_.store(false, std::memory_order_release);
    {
        const MutexLock lock(mutex_);
        scored_ended_ = true;
        evaluator = evaluator_;
    }
    if (evaluator != nullptr) evaluator->wake();
}

void SharedModel::attach_evaluator(Waker& waker) {
    const MutexLock lock(mutex_);
    evaluator_ = &waker;
}

SharedModel::WorkItem* SharedModel::take_scored() {
    const MutexLock lock(mutex_);
    WorkItem* item = scored_.front();
    if (item != nullptr) scored_.pop();
    return item;
}

void SharedModel::give_back(WorkItem* item) {
    item->batch = {};  // Outside the lock: it may free memory.
    std::vector<Waker*> waiting;
    {
        const MutexLock lock(mutex_);
        free_.push(item);
        waiting = waiting_trainers();
    }
    for (Waker* waker : waiting) waker->wake();
}

bool SharedModel::is_scored_out() const {
    const MutexLock lock(mutex_);
    return scored_ended_ && scored_.front() == nullptr;
}

void SharedModel::set_quality(const ml::MetricsReport& report, std::optional<double> baseline) {
    const MutexLock lock(mutex_);
    quality_ = report;
    baseline_ = baseline;
}

void SharedModel::report(proto::ModelReport& report) const {
    report.set_model(options_.name);
    report.set_version(view_->version());
    report.set_rows_learned(updates_.value());
    report.set_rows_skipped(skipped_.value());
    report.set_bytes(static_cast<std::int64_t>(account_bytes(options_)));
    const MutexLock lock(mutex_);
    report.set_window_rows(static_cast<std::int64_t>(quality_.rows));
    if (quality_.log_loss) report.set_logloss(*quality_.log_loss);
    if (baseline_) report.set_logloss_baseline(*baseline_);
    if (quality_.auc) report.set_auc(*quality_.auc);
    if (quality_.calibration) report.set_calibration(*quality_.calibration);
    if (quality_.normalized_entropy) report.set_normalized_entropy(*quality_.normalized_entropy);
}

}  // namespace millrace::operators
