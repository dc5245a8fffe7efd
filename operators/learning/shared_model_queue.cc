// What train and evaluate tasks do with a SharedModel: items in, scored rows out.

#include <algorithm>

#include "operators/learning/shared_model.h"
#include "runtime/base/check.h"

namespace millrace::operators {

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

bool SharedModel::has_room_locked(const Feed& feed) const {
    return feed.held < feed_items_ && (feed.bytes < feed_bytes_ || feed.held == 0);
}

bool SharedModel::has_room(std::uint32_t trainer, std::uint32_t feed) {
    const MutexLock lock(mutex_);
    return has_room_or_waits(trainer, feed);
}

// What finds no room is rung when there is some.
bool SharedModel::has_room_or_waits(std::uint32_t trainer, std::uint32_t feed) {
    Feed& from = feeds_[feed];
    const bool room = has_room_locked(from);
    trainers_[trainer].waits |= !room;
    from.was_full = from.was_full || !room;
    return room;
}

SharedModel::WorkItem* SharedModel::claim(std::uint32_t trainer, std::uint32_t feed) {
    const MutexLock lock(mutex_);
    if (!has_room_or_waits(trainer, feed)) return nullptr;
    // The shares of all feeds together are all items.
    WorkItem& item = items_[free_.front()];
    free_.pop();
    ++feeds_[feed].held;
    item.feed = feed;
    item.trainer = trainer;
    item.rows_applied = item.rows_returned = 0;
    return &item;
}

void SharedModel::enqueue(WorkItem* item) {
    MILLRACE_CHECK(!item->batch->is_short_lived());
    item->bytes = item->batch->bytes();
    const MutexLock lock(mutex_);
    MILLRACE_CHECK(!feeds_[item->feed].has_ended);
    feeds_[item->feed].bytes += item->bytes;
    ++trainers_[item->trainer].outstanding;
    queued_.push(item->number);
}

void SharedModel::end_feed(std::uint32_t feed) {
    const MutexLock lock(mutex_);
    if (feeds_[feed].has_ended) return;
    feeds_[feed].has_ended = true;
    feeds_ending_.push_back(feed);
}

Status SharedModel::add_split(OrderPlan::Split split) {
    MILLRACE_CHECK(is_ordered());
    const MutexLock lock(mutex_);
    if (splits_known_ == ml::CanonicalOrder::kSplitsMax) {
        return fail(Code::kResourceExhausted,
                    "canonical order takes at most {} splits. Hint: write `order: arrival`",
                    ml::CanonicalOrder::kSplitsMax);
    }
    ++splits_known_;
    splits_new_.push_back(std::move(split));
    return {};
}

bool SharedModel::is_drained(std::uint32_t trainer) {
    const MutexLock lock(mutex_);
    const bool drained = trainers_[trainer].outstanding == 0;
    trainers_[trainer].waits |= !drained;
    return drained;
}

void SharedModel::end_trainer(std::uint32_t trainer) {
    Waker* successor = nullptr;
    bool is_last = false;
    {
        const MutexLock lock(mutex_);
        if (trainers_[trainer].ended) return;
        trainers_[trainer].ended = true;
        successor = hand_over(trainer);
        is_last = ++trainers_ended_ == trainers_.size();
    }
    if (successor != nullptr) successor->wake();
    if (!is_last) return;
    // All have ended, and nobody who has ended is in apply().
    MILLRACE_CHECK(!token_.exchange(true, std::memory_order_acquire));
    publish();
    set_digest(ml::TableDigest::of(*table_));
    token_.store(false, std::memory_order_release);
    Waker* evaluator = nullptr;
    {
        const MutexLock lock(mutex_);
        scored_ended_ = true;
        evaluator = evaluator_;
    }
    if (evaluator != nullptr) evaluator->wake();
}

void SharedModel::leave(std::uint32_t trainer) {
    Waker* successor = nullptr;
    {
        const MutexLock lock(mutex_);
        trainers_[trainer].has_left = true;
        successor = hand_over(trainer);
    }
    if (successor != nullptr) successor->wake();
}

// Who is to be rung as the new writer: nobody when `trainer` is not the writer, or when the next
// one has not begun and will look by itself.
Waker* SharedModel::hand_over(std::uint32_t trainer) {
    if (!is_writer(trainer)) return nullptr;
    const auto next = std::ranges::find_if(
        trainers_, [](const Trainer& other) { return !other.ended && !other.has_left; });
    if (next == trainers_.end()) return nullptr;
    writer_.store(static_cast<std::uint32_t>(next - trainers_.begin()), std::memory_order_release);
    return next->waker;
}

void SharedModel::call_writer() {
    Waker* writer = nullptr;
    {
        const MutexLock lock(mutex_);
        if (has_news_locked()) writer = trainers_[writer_.load(std::memory_order_relaxed)].waker;
    }
    if (writer != nullptr) writer->wake();
}

bool SharedModel::has_news_locked() const {
    return is_unfinished_.load(std::memory_order_relaxed) || !queued_.is_empty() ||
           !feeds_ending_.empty() || !splits_new_.empty();
}

// In arrival order trainers sleep until half of the room is free: a ring for each batch would cost
// the writer more than the batch's hand-over. In canonical order any row may be the awaited one.
bool SharedModel::should_ring(const Trainer& trainer) const {
    if (!trainer.waits) return false;
    if (is_ordered() || trainer.outstanding == 0) return true;
    const Feed& feed = feeds_.front();
    return feed.held <= feed_items_ / 2 && feed.bytes <= feed_bytes_ / 2;
}

std::vector<Waker*> SharedModel::waiting_trainers() {
    std::vector<Waker*> waiting;
    for (Trainer& trainer : trainers_) {
        if (!should_ring(trainer)) continue;
        trainer.waits = false;
        waiting.push_back(trainer.waker);
    }
    return waiting;
}

void SharedModel::free_item(WorkItem& item) {
    Feed& feed = feeds_[item.feed];
    --feed.held;
    feed.bytes -= item.bytes;
    free_.push(item.number);
}

void SharedModel::attach_evaluator(Waker& waker) {
    const MutexLock lock(mutex_);
    MILLRACE_CHECK(options_.is_evaluated && evaluator_ == nullptr);
    evaluator_ = &waker;
}

std::size_t SharedModel::take_scored(std::span<ScoredRun> runs) {
    const MutexLock lock(mutex_);
    std::size_t taken = 0;
    for (; taken < runs.size() && !scored_.is_empty(); ++taken) {
        runs[taken] = scored_.front();
        scored_.pop();
    }
    return taken;
}

void SharedModel::give_back(std::span<const ScoredRun> runs) {
    // Batches are dropped outside the lock: that may free memory.
    std::vector<Waker*> waiting;
    for (const ScoredRun& run : runs) {
        WorkItem& item = items_[run.item];
        item.rows_returned += run.count;
        if (item.rows_returned < item.batch->rows()) continue;
        item.batch = {};
        const MutexLock lock(mutex_);
        free_item(item);
        std::ranges::copy(waiting_trainers(), std::back_inserter(waiting));
    }
    for (Waker* waker : waiting) waker->wake();
}

bool SharedModel::is_scored_out() const {
    const MutexLock lock(mutex_);
    return scored_ended_ && scored_.is_empty();
}

}  // namespace millrace::operators
