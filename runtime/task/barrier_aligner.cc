#include "runtime/task/barrier_aligner.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace millrace::task {

BarrierAligner::BarrierAligner(std::size_t channels) : states_(channels, State::kOpen) {
    MILLRACE_CHECK_GT(channels, 0U);
}

BarrierAligner::Outcome BarrierAligner::on_barrier(std::size_t channel,
                                                   const data::CheckpointBarrier& barrier) {
    MILLRACE_CHECK(states_[channel] == State::kOpen);
    Outcome outcome;
    if (barrier.checkpoint_id <= settled_id_) return outcome;
    if (pending_ && barrier.checkpoint_id < pending_->checkpoint_id) return outcome;
    if (pending_ && barrier.checkpoint_id > pending_->checkpoint_id) {
        outcome.given_up = settle().checkpoint_id;
    }
    if (!pending_) pending_ = barrier;
    states_[channel] = State::kBlocked;
    ++blocked_;
    if (is_complete()) outcome.aligned = settle();
    return outcome;
}

BarrierAligner::Outcome BarrierAligner::on_end(std::size_t channel) {
    MILLRACE_CHECK(states_[channel] == State::kOpen);
    states_[channel] = State::kEnded;
    ++ended_;
    Outcome outcome;
    if (pending_ && is_complete()) outcome.aligned = settle();
    return outcome;
}

BarrierAligner::Outcome BarrierAligner::on_abort(std::uint64_t checkpoint_id) {
    Outcome outcome;
    if (pending_ && pending_->checkpoint_id <= checkpoint_id) {
        outcome.given_up = settle().checkpoint_id;
    }
    settled_id_ = std::max(settled_id_, checkpoint_id);
    return outcome;
}

data::CheckpointBarrier BarrierAligner::settle() {
    const data::CheckpointBarrier barrier = *pending_;
    pending_.reset();
    settled_id_ = barrier.checkpoint_id;
    std::ranges::replace(states_, State::kBlocked, State::kOpen);
    blocked_ = 0;
    return barrier;
}

}  // namespace millrace::task
