// All inputs of one task as one stream: polls the channels in turn, aligns barriers, takes the
// smallest watermark, counts the ends.
//
// What comes out: batches with the number of their input; a Watermark whenever the smallest one of
// the channels that are neither idle nor at their end rises, an idle one when none of those is
// left, with the latest time of all, and one that is not idle when there is one again; a
// CheckpointBarrier when it is aligned; the end of each input when its channels have ended; one
// EndOfInput when every channel has ended.
//
// A channel that delivered a barrier is not polled until the cut is made. Nor is one of an input
// that the reader does not take just now, so its rows stay where they are paid for; but while a
// barrier is aligned the reader is not asked, or rows in front of a barrier could wait for rows
// behind it for ever.
//
// Threads:    the task's.
// Ownership:  borrows the channels.
// Limits:     no allocation after construction.
// Failure:    the first failed channel's reason.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "operators/operator.h"
#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "runtime/task/barrier_aligner.h"
#include "runtime/task/channel.h"

namespace millrace::task {

struct GateElement {
    data::Element element;
    std::uint32_t input = 0;  // Of batches; control elements stand for all inputs.
    bool ends_input = false;  // No element: `input` has ended.
};

class InputGate {
  public:
    // `inputs[i]`: the channels of input i. REQUIRES: at least one channel.
    explicit InputGate(std::span<const std::vector<InputChannel*>> inputs);

    void attach(Waker& waker);
    // Takes the next element; nullopt when there is none now. `reader`, if there is one, is asked
    // which inputs it takes, unless a barrier is aligned, and gets their ends. Errors: a channel
    // failed.
    [[nodiscard]] Result<std::optional<GateElement>> poll(TimePoint now,
                                                          const operators::Step* reader = nullptr);
    // Gives up the alignment of this checkpoint and of older ones.
    void abort(std::uint64_t checkpoint_id) { aligner_.on_abort(checkpoint_id); }

    // How long the channels of the last aligned checkpoint waited for each other.
    [[nodiscard]] Duration last_alignment() const { return last_alignment_; }
    [[nodiscard]] std::size_t channel_count() const { return lanes_.size(); }

  private:
    struct Lane {
        InputChannel* channel = nullptr;
        std::uint32_t input = 0;
        data::Watermark watermark = kNothingSaid;
    };
    static constexpr data::Watermark kNothingSaid{.event_time_ms = data::kNoEventTime};

    Result<std::optional<data::Element>> poll_lane(std::size_t lane, const operators::Step* reader);
    // Takes one control element in; what follows from it goes to ready_.
    void take_control(std::size_t lane, const data::Element& element, TimePoint now);

    void take(std::size_t lane, const data::Watermark& watermark);
    void take(std::size_t lane, const data::CheckpointBarrier& barrier, TimePoint now);
    void take_end(std::size_t lane, TimePoint now);
    void note(const BarrierAligner::Outcome& outcome, TimePoint now);
    // Says so when the watermark of all has risen, or has become idle or active.
    void raise_watermark();
    [[nodiscard]] data::Watermark watermark_of_all() const;
    [[nodiscard]] std::optional<GateElement> pop_ready();
    void push_ready(GateElement element);

    std::vector<Lane> lanes_;
    std::vector<std::uint32_t> open_lanes_;  // By input.
    bool tells_ends_ = false;                // In this poll().
    BarrierAligner aligner_;
    std::size_t next_ = 0;  // Lane to look at first.
    data::Watermark watermark_ = kNothingSaid;
    TimePoint alignment_began_{};
    Duration last_alignment_{};

    // One channel element causes at most an input's end, a watermark, a barrier and the end.
    std::array<GateElement, 4> ready_;
    std::size_t ready_begin_ = 0;
    std::size_t ready_end_ = 0;
};

}  // namespace millrace::task
