#include "tests/task/toy_operators.h"

#include <algorithm>
#include <cstring>

#include "runtime/base/check.h"
#include "tests/task/rows.h"

namespace millrace::test {

using operators::Progress;
using std::chrono::milliseconds;

void CutBook::saw(std::uint32_t sink, const data::Position& row) {
    MutexLock lock(mutex_);
    ++seen_[sink][{row.split, row.ordinal}];
}

void CutBook::source_cut(std::uint64_t checkpoint, std::int32_t split, std::int64_t next) {
    MutexLock lock(mutex_);
    cuts_[checkpoint].sources[split] = next;
}

void CutBook::sink_cut(std::uint64_t checkpoint, std::uint32_t sink, const Ordinals& rows,
                       const Ordinals& highest) {
    MutexLock lock(mutex_);
    Cut& cut = cuts_[checkpoint];
    ++cut.subtasks[sink];
    for (const auto& [split, count] : rows) cut.rows[sink][split] += count;
    for (const auto& [split, ordinal] : highest) {
        auto& most = cut.highest[sink][split];
        most = std::max(most, ordinal);
    }
}

void CutBook::broke(std::string rule) {
    MutexLock lock(mutex_);
    broken_.push_back(std::move(rule));
}

std::map<std::uint64_t, CutBook::Cut> CutBook::cuts() const {
    MutexLock lock(mutex_);
    return cuts_;
}

std::map<std::pair<std::int32_t, std::int64_t>, int> CutBook::rows_of(std::uint32_t sink) const {
    MutexLock lock(mutex_);
    const auto rows = seen_.find(sink);
    return rows == seen_.end() ? std::map<std::pair<std::int32_t, std::int64_t>, int>{}
                               : rows->second;
}

std::vector<std::string> CutBook::broken() const {
    MutexLock lock(mutex_);
    return broken_;
}

Status SequenceSource::open(operators::OperatorContext& context) {
    context_ = &context;
    return {};
}

Result<Progress> SequenceSource::poll(operators::Output& output) {
    if (next_ == rows_) return Progress::kEnd;
    if (random_.below(8) == 0) {
        tick_ = context_->clock.now() + milliseconds(2);
        return Progress::kDone;
    }
    if (random_.below(8) == 0) return Progress::kYield;
    const auto count = std::min(rows_ - next_, static_cast<std::int64_t>(1 + random_.below(40)));
    output.emit(make_rows(context_->batches, split_, next_, count));
    next_ += count;
    if (random_.below(3) == 0) output.emit_watermark({.event_time_ms = next_ - 1});
    return random_.below(4) == 0 ? Progress::kYield : Progress::kYield;
}

Result<Progress> SequenceSource::snapshot(std::uint64_t checkpoint_id,
                                          state::SnapshotWriter& writer) {
    book_.source_cut(checkpoint_id, split_, next_);
    MILLRACE_TRY(writer.write("next", std::as_bytes(std::span(&next_, 1))));
    return Progress::kDone;
}

Status SequenceSource::restore(state::SnapshotReader& reader) {
    MILLRACE_TRY_ASSIGN(const auto bytes, reader.read("next"));
    MILLRACE_CHECK_EQ(bytes.size(), sizeof next_);
    std::memcpy(&next_, bytes.data(), sizeof next_);
    return {};
}

Status SequenceSource::on_tick(operators::Output&) {
    if (context_->clock.now() < tick_) book_.broke("a source was ticked before its time");
    tick_ = TimePoint::max();
    return {};
}

void SequenceSource::close() noexcept { context_ = nullptr; }

Status MoodyStep::open(operators::OperatorContext& context) {
    context_ = &context;
    return {};
}

Progress MoodyStep::block() {
    if (has_ended_ || random_.below(2) == 0) {
        context_->waker.wake();
    } else {
        tick_ = context_->clock.now() + milliseconds(1);
    }
    return Progress::kBlocked;
}

Result<Progress> MoodyStep::process(const data::BatchPtr& batch, std::uint32_t,
                                    operators::Output& output) {
    if (current_ != nullptr && current_ != batch.get()) {
        book_.broke("another batch came before the first was finished");
    }
    current_ = batch.get();
    if (mood_ == Mood::kFresh && random_.below(6) == 0) {
        mood_ = Mood::kWaited;
        return block();
    }
    if (mood_ != Mood::kHalfDone && batch->rows() > 1 && random_.below(3) == 0) {
        mood_ = Mood::kHalfDone;
        std::vector<std::uint16_t> half(batch->rows() / 2);
        for (std::size_t i = 0; i < half.size(); ++i) half[i] = static_cast<std::uint16_t>(i);
        MILLRACE_TRY_ASSIGN(auto first, data::gather(batch, half, context_->batches));
        output.emit(std::move(first));
        return random_.below(2) == 0 ? Progress::kYield : block();
    }
    if (mood_ == Mood::kHalfDone) {
        std::vector<std::uint16_t> rest;
        for (std::size_t i = batch->rows() / 2; i < batch->rows(); ++i) {
            rest.push_back(static_cast<std::uint16_t>(i));
        }
        MILLRACE_TRY_ASSIGN(auto second, data::gather(batch, rest, context_->batches));
        output.emit(std::move(second));
    } else {
        output.emit(batch);
    }
    mood_ = Mood::kFresh;
    current_ = nullptr;
    return Progress::kDone;
}

Result<Progress> MoodyStep::snapshot(std::uint64_t, state::SnapshotWriter&) {
    if (current_ != nullptr) book_.broke("a snapshot came in the middle of a batch");
    if (!has_settled_ && random_.below(2) == 0) {
        has_settled_ = true;
        return block();
    }
    has_settled_ = false;
    return Progress::kDone;
}

Result<Progress> MoodyStep::on_end(operators::Output&) {
    if (current_ != nullptr) book_.broke("the end came in the middle of a batch");
    if (!has_settled_ && random_.below(2) == 0) {
        has_settled_ = true;
        return block();
    }
    has_ended_ = true;
    return Progress::kDone;
}

Status MoodyStep::on_tick(operators::Output&) {
    if (has_ended_) book_.broke("a tick came after the end");
    tick_ = TimePoint::max();
    return {};
}

void MoodyStep::close() noexcept { context_ = nullptr; }

Result<Progress> NotingSink::process(const data::BatchPtr& batch, std::uint32_t,
                                     operators::Output&) {
    if (has_ended_) book_.broke("a batch came after the end");
    for (const data::Position& row : positions_of(*batch)) see(row);
    return Progress::kDone;
}

void NotingSink::see(const data::Position& row) {
    if (watermark_ && row.ordinal <= *watermark_) book_.broke("a row came behind its watermark");
    const auto last = highest_.find(row.split);
    if (is_ordered_ && last != highest_.end() && last->second >= row.ordinal) {
        book_.broke(fmt::format("row {} of split {} came after row {}", row.ordinal, row.split,
                                last->second));
    }
    ++rows_[row.split];
    auto& highest = highest_[row.split];
    highest = std::max(highest, row.ordinal);
    book_.saw(sink_, row);
}

Status NotingSink::on_watermark(data::Watermark watermark, operators::Output&) {
    if (watermark_ && watermark.event_time_ms <= *watermark_) {
        book_.broke("a watermark did not rise");
    }
    watermark_ = watermark.event_time_ms;
    return {};
}

Result<Progress> NotingSink::snapshot(std::uint64_t checkpoint_id, state::SnapshotWriter&) {
    book_.sink_cut(checkpoint_id, sink_, rows_, highest_);
    return Progress::kDone;
}

Result<Progress> NotingSink::on_end(operators::Output&) {
    if (has_ended_) book_.broke("the end came twice");
    has_ended_ = true;
    return Progress::kDone;
}

}  // namespace millrace::test
