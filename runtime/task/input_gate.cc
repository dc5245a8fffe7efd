#include "runtime/task/input_gate.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "runtime/base/check.h"

namespace millrace::task {

namespace {

std::size_t count_channels(std::span<const std::vector<InputChannel*>> inputs) {
    std::size_t count = 0;
    for (const auto& channels : inputs) count += channels.size();
    return count;
}

}  // namespace

InputGate::InputGate(std::span<const std::vector<InputChannel*>> inputs)
    : aligner_(count_channels(inputs)) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        open_lanes_.push_back(static_cast<std::uint32_t>(inputs[i].size()));
        for (InputChannel* channel : inputs[i]) {
            lanes_.push_back({.channel = channel, .input = static_cast<std::uint32_t>(i)});
        }
    }
}

void InputGate::attach(Waker& waker) {
    for (const Lane& lane : lanes_) lane.channel->attach_consumer(waker);
}

Result<std::optional<GateElement>> InputGate::poll(TimePoint now, const operators::Step* reader) {
    if (auto ready = pop_ready()) return ready;
    tells_ends_ = reader != nullptr;
    // Ends when a whole round found nothing: an element that says nothing new may hide another.
    for (std::size_t empty = 0; empty < lanes_.size();) {
        const std::size_t at = next_;
        next_ = next_ + 1 == lanes_.size() ? 0 : next_ + 1;
        MILLRACE_TRY_ASSIGN(std::optional<data::Element> element, poll_lane(at, reader));
        if (!element) {
            ++empty;
            continue;
        }
        empty = 0;
        if (std::holds_alternative<data::BatchPtr>(*element)) {
            return GateElement{.element = *std::move(element), .input = lanes_[at].input};
        }
        take_control(at, *element, now);
        if (auto ready = pop_ready()) return ready;
    }
    return std::nullopt;
}

Result<std::optional<data::Element>> InputGate::poll_lane(std::size_t lane,
                                                          const operators::Step* reader) {
    if (aligner_.is_blocked(lane) || aligner_.has_ended(lane)) return std::nullopt;
    InputChannel& channel = *lanes_[lane].channel;
    // What stands behind a barrier may be what the reader waits for: while one is aligned, all that
    // is in front of it must come.
    if (reader == nullptr || aligner_.is_aligning() || reader->takes(lanes_[lane].input)) {
        std::optional<data::Element> element = channel.poll();
        if (element) return element;
    }
    if (const Error* why = channel.failed()) return std::unexpected(*why);
    return std::nullopt;
}

void InputGate::take_control(std::size_t lane, const data::Element& element, TimePoint now) {
    if (const auto* watermark = std::get_if<data::Watermark>(&element)) {
        take(lane, *watermark);
    } else if (const auto* barrier = std::get_if<data::CheckpointBarrier>(&element)) {
        take(lane, *barrier, now);
    } else {
        take_end(lane, now);
    }
}

void InputGate::take(std::size_t lane, const data::Watermark& watermark) {
    lanes_[lane].watermark = data::merged(lanes_[lane].watermark, watermark);
    raise_watermark();
}

void InputGate::take(std::size_t lane, const data::CheckpointBarrier& barrier, TimePoint now) {
    const bool was_aligning = aligner_.is_aligning();
    const BarrierAligner::Outcome outcome = aligner_.on_barrier(lane, barrier);
    if (!was_aligning || outcome.given_up) alignment_began_ = now;
    note(outcome, now);
}

void InputGate::take_end(std::size_t lane, TimePoint now) {
    const BarrierAligner::Outcome outcome = aligner_.on_end(lane);
    const std::uint32_t input = lanes_[lane].input;
    if (--open_lanes_[input] == 0 && tells_ends_) {
        push_ready({.input = input, .ends_input = true});
    }
    raise_watermark();
    note(outcome, now);
    if (aligner_.have_all_ended()) push_ready({.element = data::EndOfInput{}});
}

void InputGate::note(const BarrierAligner::Outcome& outcome, TimePoint now) {
    if (!outcome.aligned) return;
    last_alignment_ = now - alignment_began_;
    push_ready({.element = *outcome.aligned});
}

void InputGate::raise_watermark() {
    if (aligner_.have_all_ended()) return;
    const data::Watermark now = data::merged(watermark_, watermark_of_all());
    if (now == watermark_) return;
    watermark_ = now;
    push_ready({.element = now});
}

data::Watermark InputGate::watermark_of_all() const {
    data::Watermark active{.event_time_ms = std::numeric_limits<std::int64_t>::max()};
    data::Watermark idle{.event_time_ms = data::kNoEventTime, .is_idle = true};
    bool is_any_active = false;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        if (aligner_.has_ended(i)) continue;
        const data::Watermark& lane = lanes_[i].watermark;
        if (lane.is_idle) {
            idle.event_time_ms = std::max(idle.event_time_ms, lane.event_time_ms);
        } else {
            active.event_time_ms = std::min(active.event_time_ms, lane.event_time_ms);
            is_any_active = true;
        }
    }
    return is_any_active ? active : idle;
}

std::optional<GateElement> InputGate::pop_ready() {
    if (ready_begin_ == ready_end_) return std::nullopt;
    GateElement element = std::move(ready_[ready_begin_++]);
    if (ready_begin_ == ready_end_) ready_begin_ = ready_end_ = 0;
    return element;
}

void InputGate::push_ready(GateElement element) {
    MILLRACE_CHECK_LT(ready_end_, ready_.size());
    ready_[ready_end_++] = std::move(element);
}

}  // namespace millrace::task
