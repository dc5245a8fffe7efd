// Decides when a checkpoint's barrier has arrived on every channel of a gate. Pure.
//
// Rules:
//   1. The first barrier n blocks its channel until barrier n came on every channel that has not
//      ended; then the cut is aligned and all channels are released.
//   2. The end of a channel counts as the arrival of every barrier that is still to come on it.
//   3. A barrier newer than the one that is being aligned gives the older one up and takes its
//   place.
//   4. An abort of n gives up n and everything older, also when its first barrier is still to come.
//   5. A barrier that is not newer than the last one aligned or given up is ignored, as is one
//   older
//      than the one that is being aligned.
//
// Threads:    one owner.
// Limits:     one alignment at a time; no allocation after construction.
// Failure:    an element on a channel that is blocked or has ended is our bug and aborts.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/data/element.h"

namespace millrace::task {

class BarrierAligner {
  public:
    struct Outcome {
        std::optional<data::CheckpointBarrier> aligned;  // Cut the stream here.
        std::optional<std::uint64_t> given_up;           // No cut will be made for this checkpoint.

        bool operator==(const Outcome&) const = default;
    };

    // REQUIRES: channels > 0.
    explicit BarrierAligner(std::size_t channels);

    // REQUIRES: !is_blocked(channel) and it has not ended.
    Outcome on_barrier(std::size_t channel, const data::CheckpointBarrier& barrier);
    // REQUIRES: !is_blocked(channel) and it has not ended.
    Outcome on_end(std::size_t channel);
    Outcome on_abort(std::uint64_t checkpoint_id);

    // True when nothing may be taken from the channel now.
    [[nodiscard]] bool is_blocked(std::size_t channel) const {
        return states_[channel] == State::kBlocked;
    }
    [[nodiscard]] bool has_ended(std::size_t channel) const {
        return states_[channel] == State::kEnded;
    }
    [[nodiscard]] bool have_all_ended() const { return ended_ == states_.size(); }
    [[nodiscard]] bool is_aligning() const { return pending_.has_value(); }

  private:
    enum class State : std::uint8_t { kOpen, kBlocked, kEnded };

    // Ends the pending alignment: releases its channels and remembers its number.
    data::CheckpointBarrier settle();
    [[nodiscard]] bool is_complete() const { return blocked_ + ended_ == states_.size(); }

    std::vector<State> states_;
    std::size_t blocked_ = 0;
    std::size_t ended_ = 0;
    std::optional<data::CheckpointBarrier> pending_;
    std::uint64_t settled_id_ = 0;  // Highest checkpoint aligned or given up.
};

}  // namespace millrace::task
