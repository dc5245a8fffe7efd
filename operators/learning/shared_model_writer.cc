// What the holder of a SharedModel's token does: rows into the table, one after the other.

#include <algorithm>

#include "operators/learning/shared_model.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"

namespace millrace::operators {
namespace {

ml::SparseRows rows_of(const SharedModel::WorkItem& item) {
    const data::Column& features = item.batch->column(item.features_column);
    return {.row_count = static_cast<std::uint32_t>(item.batch->rows()),
            .offsets = features.offsets,
            .slots = features.as<std::uint32_t>(),
            .values = features.weights,
            .labels = item.labels.data()};
}

std::int64_t ns(TimePoint time) { return time.time_since_epoch().count(); }

}  // namespace

SharedModel::Applied SharedModel::apply(std::uint32_t trainer, TimePoint deadline) {
    if (!may_apply(trainer)) {
        call_writer();
        return Applied::kNothingLeft;
    }
    // Whoever queued something while the token was taken relies on the holder: hence the second
    // look after the token was given back.
    while (true) {
        if (token_.exchange(true, std::memory_order_acquire)) return Applied::kNothingLeft;
        become_writer(trainer);
        const bool more = apply_until(deadline);
        is_unfinished_.store(more, std::memory_order_relaxed);
        token_.store(false, std::memory_order_seq_cst);
        if (more) return Applied::kMore;
        if (!has_news()) return Applied::kNothingLeft;
    }
}

bool SharedModel::may_apply(std::uint32_t trainer) const {
    return is_writer(trainer) ||
           writer_thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

// With the token in hand, so that the writer is who applied last, and what is due after that is
// its own affair: were it chosen before, one could take the place of another that is applying, and
// look at next_tick() too early.
void SharedModel::become_writer(std::uint32_t trainer) {
    writer_thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    if (is_writer(trainer)) return;
    const MutexLock lock(mutex_);
    writer_.store(trainer, std::memory_order_release);
}

// True when time is up before everything was done.
bool SharedModel::apply_until(TimePoint deadline) {
    TimePoint now = clock_.now();
    bool more = false;
    for (auto slices = next_slices(now); !slices.empty(); slices = next_slices(now)) {
        learn(slices);
        settle(slices);
        now = clock_.now();
        digesting_.reset();
        digest_due_ns_.store(ns(now + kQuiet), std::memory_order_relaxed);
        more = now >= deadline;
        if (more) break;
    }
    publish_if_due(now);
    return more || !digest_if_due(now, deadline);
}

bool SharedModel::has_news() const {
    const MutexLock lock(mutex_);
    return has_news_locked();
}

std::span<const SharedModel::Slice> SharedModel::next_slices(TimePoint now) {
    return order_ ? ordered_slices(now) : front_slice();
}

// In arrival order an item leaves the queue when it is taken for the first time.
std::span<const SharedModel::Slice> SharedModel::front_slice() {
    if (arrived_.empty()) {
        const MutexLock lock(mutex_);
        if (queued_.is_empty()) return {};
        arrived_.push_back(&items_[queued_.front()]);
        queued_.pop();
    }
    WorkItem& item = *arrived_.front();
    const auto rows = static_cast<std::uint32_t>(item.batch->rows());
    const std::uint32_t count = std::min(kRowsPerLook, rows - item.rows_applied);
    slices_[0] = {.item = &item, .first_row = item.rows_applied, .count = count};
    if (item.rows_applied + count == rows) arrived_.clear();
    return std::span(slices_).first(1);
}

std::span<const SharedModel::Slice> SharedModel::ordered_slices(TimePoint now) {
    note_look(now);
    admit_queued(now);
    std::size_t slices = 0;
    std::uint32_t rows = 0;
    do {
        while (rows < kRowsPerLook) {
            const auto run = order_->next(kRowsPerLook - rows);
            if (!run) break;
            slices_[slices++] = {
                .item = &items_[run->handle], .first_row = run->first_row, .count = run->count};
            rows += run->count;
        }
    } while (rows == 0 && skip_if_due(now));
    is_listening_ = rows > 0 || order_->rows_waiting() > 0;
    return std::span(slices_).first(slices);
}

// Nobody is silent while nobody listens: the process was stopped, or the machine had no time for
// it, and what was sent meanwhile comes later than the clock.
void SharedModel::note_look(TimePoint now) {
    const Duration pause = now - looked_at_;
    if (is_listening_ && pause > kPauseMin) order_->excuse_all(pause);
    looked_at_ = now;
}

void SharedModel::admit_queued(TimePoint now) {
    std::vector<OrderPlan::Split> splits;
    arrived_.clear();
    {
        const MutexLock lock(mutex_);
        for (; !queued_.is_empty(); queued_.pop()) {
            WorkItem& item = items_[queued_.front()];
            ++feeds_[item.feed].admitted;
            arrived_.push_back(&item);
        }
        std::swap(splits, splits_new_);
        std::swap(ended_feeds_, feeds_ending_);
        for (std::uint32_t feed = 0; feed < feeds_.size(); ++feed) {
            if (!feeds_[feed].was_full || !has_room_locked(feeds_[feed])) continue;
            feeds_[feed].was_full = false;
            order_->excuse_feed(feed, now);
        }
    }
    for (const OrderPlan::Split& split : splits) {
        // When a split is found is not in the input: from here on the log must tell the order.
        if (table_->counts() != ml::RowCounts{}) is_order_pure_ = false;
        order_->add_split(split, now);
    }
    for (WorkItem* item : arrived_) order_->admit(item->number, item->feed, *item->batch, now);
    for (const std::uint32_t feed : ended_feeds_) order_->end_feed(feed);
    ended_feeds_.clear();
}

bool SharedModel::skip_if_due(TimePoint now) {
    excuse_held_up(now);
    const auto wait = order_->waiting();
    const TimePoint look = now + kLookEvery;
    skip_due_ns_.store(wait ? ns(std::min(wait->until, look)) : kNever, std::memory_order_relaxed);
    if (!wait) return false;
    const bool crowded_out = is_crowded_out(wait->feeds);
    if (now < wait->until && !crowded_out) return false;
    if (splits_skipped_.value() == 0) {
        log::warn(
            "model {}: split {} {}; canonical order goes on without it, as the order log says",
            options_.name, wait->split,
            crowded_out ? "stands behind more rows of others than are kept"
                        : "was silent for too long");
    }
    splits_skipped_.add();
    is_order_pure_ = false;
    const bool kept = order_log_complete_ && table_->order_log().append_skip(wait->split);
    order_log_complete_ = kept;
    order_->skip(wait->split);
    return true;
}

// What a feed cannot deliver, because `evaluate` has not given its items back, is not silence.
void SharedModel::excuse_held_up(TimePoint now) {
    const MutexLock lock(mutex_);
    for (std::uint32_t number = 0; number < feeds_.size(); ++number) {
        const Feed& feed = feeds_[number];
        if (!has_room_locked(feed) && feed.admitted < feed.held) order_->excuse_feed(number, now);
    }
}

// True when each of the feeds is full of rows that wait for other rows: then nothing can come from
// it, however long we wait.
bool SharedModel::is_crowded_out(std::span<const std::uint32_t> feeds) const {
    const MutexLock lock(mutex_);
    return std::ranges::all_of(feeds, [this](std::uint32_t number) {
        const Feed& feed = feeds_[number];
        return !has_room_locked(feed) && feed.admitted == feed.held;
    });
}

void SharedModel::learn(std::span<const Slice> slices) {
    while (!slices.empty()) {
        const std::size_t together = gather(slices);
        if (together > 1) {
            train(gather_.rows(), gather_.scores());
            spread_scores(slices.first(together));
        } else {
            const Slice& only = slices.front();
            train(rows_of(*only.item).slice(only.first_row, only.count),
                  only.item->scores.subspan(only.first_row, only.count));
        }
        slices = slices.subspan(std::max<std::size_t>(1, together));
    }
}

// Copies the rows of the first slices together; how many. One alone is learned where it is.
std::size_t SharedModel::gather(std::span<const Slice> slices) {
    gather_.clear();
    std::size_t count = 0;
    for (; slices.size() > 1 && count < slices.size(); ++count) {
        const Slice& slice = slices[count];
        const ml::SparseRows rows = rows_of(*slice.item).slice(slice.first_row, slice.count);
        if (!gather_.fits(rows)) break;
        gather_.add(rows);
    }
    return count;
}

void SharedModel::spread_scores(std::span<const Slice> slices) {
    const float* scores = gather_.scores().data();
    for (const Slice& slice : slices) {
        std::copy_n(scores, slice.count, slice.item->scores.data() + slice.first_row);
        scores += slice.count;
    }
}

void SharedModel::train(ml::SparseRows rows, std::span<float> scores) {
    if (options_.scaled_columns > 0 && rows.values != nullptr) {
        table_->scaler().learn_and_transform(rows, options_.learner->label_rule(), scaled_values_);
        rows.values = scaled_values_.data();
    }
    const ml::RowCounts counts = options_.learner->train_rows(*table_, rows, scores);
    updates_.add(counts.learned);
    skipped_.add(counts.skipped());
    if (publish_due_ns_.load(std::memory_order_relaxed) == kNever) {
        publish_due_ns_.store(ns(clock_.now() + options_.publish_every), std::memory_order_relaxed);
    }
}

void SharedModel::settle(std::span<const Slice> slices) {
    std::array<WorkItem*, kRowsPerLook> finished;
    std::size_t count = 0;
    for (const Slice& slice : slices) {
        WorkItem& item = *slice.item;
        note_order(slice);
        item.rows_applied += slice.count;
        if (item.rows_applied < item.batch->rows()) continue;
        finished[count++] = &item;
        if (!options_.is_evaluated) item.batch = {};  // Outside the lock: it may free memory.
    }
    Waker* evaluator = nullptr;
    std::vector<Waker*> waiting;
    {
        const MutexLock lock(mutex_);
        if (options_.is_evaluated) {
            for (const Slice& slice : slices) push_scored(slice);
            evaluator = evaluator_;
        }
        for (WorkItem* item : std::span(finished).first(count)) {
            --trainers_[item->trainer].outstanding;
            if (order_) --feeds_[item->feed].admitted;
            if (!options_.is_evaluated) free_item(*item);
        }
        if (count > 0) waiting = waiting_trainers();
    }
    if (evaluator != nullptr) evaluator->wake();
    for (Waker* waker : waiting) waker->wake();
}

void SharedModel::push_scored(const Slice& slice) {
    if (!scored_.is_empty()) {
        ScoredRun& last = scored_.back();
        if (last.item == slice.item->number && last.first_row + last.count == slice.first_row) {
            last.count = static_cast<std::uint16_t>(last.count + slice.count);
            return;
        }
    }
    scored_.push({.item = slice.item->number,
                  .first_row = static_cast<std::uint16_t>(slice.first_row),
                  .count = static_cast<std::uint16_t>(slice.count)});
}

void SharedModel::note_order(const Slice& slice) {
    if (is_ordered() && is_order_pure_) return note_run(ml::OrderRun::kCanonical, slice.count);
    const std::int32_t* split = slice.item->batch->positions().split + slice.first_row;
    for (std::uint32_t begin = 0; begin < slice.count;) {
        std::uint32_t end = begin + 1;
        while (end < slice.count && split[end] == split[begin]) ++end;
        note_run(static_cast<std::uint32_t>(split[begin]), end - begin);
        begin = end;
    }
}

// The order log is cut at checkpoints; when it is full before the next one, the model can no longer
// be rebuilt from it, which is said once.
void SharedModel::note_run(std::uint32_t split, std::uint32_t count) {
    if (!order_log_complete_) return;
    order_log_complete_ = table_->order_log().append(split, count);
    if (!order_log_complete_) {
        log::info("model {}: its order log is full after {} runs and is no longer kept",
                  options_.name, table_->order_log().capacity());
    }
}

TimePoint SharedModel::next_tick() const {
    return TimePoint(Duration(std::min({publish_due_ns_.load(std::memory_order_relaxed),
                                        skip_due_ns_.load(std::memory_order_relaxed),
                                        digest_due_ns_.load(std::memory_order_relaxed)})));
}

void SharedModel::publish_if_due(TimePoint now) {
    if (ns(now) >= publish_due_ns_.load(std::memory_order_relaxed)) publish();
}

void SharedModel::publish() {
    publish_due_ns_.store(kNever, std::memory_order_relaxed);
    table_->publish(*view_);
}

bool SharedModel::digest_if_due(TimePoint now, TimePoint deadline) {
    if (ns(now) < digest_due_ns_.load(std::memory_order_relaxed)) return true;
    if (!digesting_) digesting_.emplace().begin(*table_);
    do {
        const auto digest = digesting_->advance(*table_);
        if (!digest) continue;
        digesting_.reset();
        set_digest(*digest);
        return true;
    } while (clock_.now() < deadline);
    return false;
}

void SharedModel::set_digest(std::uint64_t digest) {
    digest_due_ns_.store(kNever, std::memory_order_relaxed);
    const MutexLock lock(mutex_);
    digest_ = Digest{.digest = digest, .rows_learned = table_->counts().learned};
}

}  // namespace millrace::operators
