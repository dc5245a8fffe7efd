#include "operators/learning/shared_model.h"

#include <algorithm>

#include "proto/control.pb.h"
#include "runtime/base/check.h"

namespace millrace::operators {
namespace {

// Runs of the order log: a quarter of a MiB a model, about a million rows between checkpoints when
// splits alternate with every row, a hundred times that when they alternate with every batch.
constexpr std::size_t kOrderRuns = 32 * 1024;

constexpr std::size_t rounded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

template <class T>
std::size_t bytes_of(std::size_t count) {
    return rounded(count * sizeof(T));
}

std::size_t scaled_entries(const SharedModel::Options& options) {
    return options.scaled_columns > 0 ? options.entries_max() : 0;
}

// A run that is not taken yet grows, so in arrival order an item needs few.
std::size_t scored_runs(const SharedModel::Options& options) {
    if (!options.is_evaluated) return 0;
    const std::size_t runs_per_item = options.order ? data::kRowsMax : 8;
    return SharedModel::item_count(options) * runs_per_item;
}

std::size_t feed_count(const SharedModel::Options& options) {
    return options.order ? std::max<std::size_t>(1, options.order->feed_owners.size()) : 1;
}

// What carve_queues() takes, in its order.
std::size_t queue_bytes(const SharedModel::Options& options) {
    const std::size_t items = SharedModel::item_count(options);
    std::size_t bytes = items * 2 * bytes_of<float>(data::kRowsMax) +
                        2 * bytes_of<std::uint32_t>(items) +
                        bytes_of<SharedModel::ScoredRun>(scored_runs(options)) +
                        bytes_of<float>(scaled_entries(options));
    if (options.order) {
        bytes += bytes_of<std::uint32_t>(RowOrder::link_count(static_cast<std::uint32_t>(items))) +
                 rounded(RowGather::bytes(options.entries_row_max));
    }
    return bytes;
}

std::size_t small_bytes(const SharedModel::Options& options) {
    return rounded(ml::DirtyLines::bytes(options.bits)) + bytes_of<ml::OrderRun>(kOrderRuns) +
           queue_bytes(options);
}

// Takes arrays out of a segment, one behind the other.
struct Carver {
    std::byte* at;

    template <class T>
    std::span<T> take(std::size_t count) {
        const std::span<T> piece(reinterpret_cast<T*>(at), count);
        at += bytes_of<T>(count);
        return piece;
    }
};

}  // namespace

std::uint32_t SharedModel::item_count(const Options& options) {
    const auto feeds = static_cast<std::uint32_t>(feed_count(options));
    return feeds * std::max(kFeedItemsMin, kItems / feeds);
}

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
      items_(item_count(options_)),
      trainers_(options_.trainers),
      feeds_(feed_count(options_)),
      scored_ended_(options_.trainers == 0),
      metrics_(metrics, {{"job_name", job}, {"model", options_.name}}),
      updates_(
          metrics_.counter("millrace_model_updates_total", "Rows that the model has learned.")),
      skipped_(metrics_.counter("millrace_model_rows_skipped_total",
                                "Rows that were not learned: label or value not allowed.")),
      splits_skipped_(metrics_.counter(
          "millrace_model_splits_skipped_total",
          "Times that canonical order went on without a split it should have waited for.")) {
    feed_items_ = static_cast<std::uint32_t>(items_.size() / feeds_.size());
    feed_bytes_ = held_bytes_max(is_ordered()) / feeds_.size();
}

Result<std::unique_ptr<SharedModel>> SharedModel::make(Options options, memory::Account& account,
                                                       const Clock& clock,
                                                       metrics::Registry& metrics,
                                                       const std::string& job) {
    std::unique_ptr<SharedModel> model(new SharedModel(std::move(options), clock, metrics, job));
    MILLRACE_TRY(model->take_memory(account, job));
    SharedModel* self = model.get();
    if (self->options_.order) {
        for (const OrderPlan::Split& split : self->options_.order->splits)
            MILLRACE_TRY(self->add_split(split));
    }
    model->metrics_.gauge_of("millrace_model_version", "Number of the serving view's last refresh.",
                             [self] { return static_cast<double>(self->view_->version()); });
    model->metrics_.gauge_of("millrace_model_batches_queued", "Batches queued at the table.",
                             [self] {
                                 const MutexLock lock(self->mutex_);
                                 return static_cast<double>(self->queued_.size());
                             });
    return model;
}

SharedModel::~SharedModel() { MILLRACE_CHECK(!token_.load()); }

Status SharedModel::take_memory(memory::Account& account, const std::string& job) {
    const auto owner = [&](memory::Purpose purpose) {
        return memory::MemoryOwner::of(
            account,
            {.job = job, .operator_name = options_.name, .subtask = 0, .purpose = purpose});
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

    Carver carver{small.data()};
    const ml::Table::Memory memory{
        .cells = {reinterpret_cast<ml::Cell*>(cells.data()), std::size_t{1} << options_.bits},
        .dirty = carver.take<std::uint64_t>(ml::DirtyLines::bytes(options_.bits) / 8),
        .order_runs = carver.take<ml::OrderRun>(kOrderRuns)};
    table_ = std::make_unique<ml::Table>(options_.bits, memory, ml::Table::Content::kUnknown,
                                         options_.scaled_columns);
    view_ = std::make_unique<ml::ServingView>(view.bytes().first(view_bytes), options_.bits, lanes,
                                              false);
    options_.learner->set_prior(*table_, options_.active_features);
    table_->publish(*view_);
    carve_queues(carver.at);
    segments_.push_back(std::move(cells));
    segments_.push_back(std::move(view));
    segments_.push_back(std::move(small));
    return {};
}

void SharedModel::carve_queues(std::byte* at) {
    Carver carver{at};
    const MutexLock lock(mutex_);
    free_.use(carver.take<std::uint32_t>(items_.size()));
    queued_.use(carver.take<std::uint32_t>(items_.size()));
    scored_.use(carver.take<ScoredRun>(scored_runs(options_)));
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
        items_[i].number = i;
        items_[i].labels = carver.take<float>(data::kRowsMax);
        items_[i].scores = carver.take<float>(data::kRowsMax);
        free_.push(i);
    }
    scaled_values_ = carver.take<float>(scaled_entries(options_));
    arrived_.reserve(items_.size());
    if (!options_.order) return;
    const auto items = static_cast<std::uint32_t>(items_.size());
    order_.emplace(items, carver.take<std::uint32_t>(RowOrder::link_count(items)));
    const std::size_t bytes = RowGather::bytes(options_.entries_row_max);
    gather_.use(carver.take<std::byte>(bytes), options_.entries_row_max);
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
    if (digest_ && digest_->rows_learned == report.rows_learned())
        report.set_digest(digest_->digest);
    report.set_window_rows(static_cast<std::int64_t>(quality_.rows));
    if (quality_.log_loss) report.set_logloss(*quality_.log_loss);
    if (baseline_) report.set_logloss_baseline(*baseline_);
    if (quality_.auc) report.set_auc(*quality_.auc);
    if (quality_.calibration) report.set_calibration(*quality_.calibration);
    if (quality_.normalized_entropy) report.set_normalized_entropy(*quality_.normalized_entropy);
}

}  // namespace millrace::operators
