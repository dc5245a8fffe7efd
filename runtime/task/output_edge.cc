#include "runtime/task/output_edge.h"

#include <algorithm>
#include <utility>

#include "runtime/base/check.h"

namespace millrace::task {

OutputEdge::OutputEdge(const std::vector<OutputChannel*>& channels) {
    MILLRACE_CHECK(!channels.empty());
    for (OutputChannel* channel : channels) lanes_.push_back({.channel = channel});
}

void OutputEdge::attach(Waker& waker) {
    for (const Lane& lane : lanes_) lane.channel->attach_producer(waker);
}

Status OutputEdge::advance(TimePoint now) {
    while (held_count_ > 0) {
        MILLRACE_TRY_ASSIGN(const bool passed, pass_oldest());
        if (!passed) return {};
    }
    MILLRACE_TRY(flush_due(now));
    send_watermarks();
    return {};
}

bool OutputEdge::has_room() { return held_count_ == 0 && has_window(); }

void OutputEdge::place(const data::Watermark& watermark) {
    MILLRACE_CHECK_EQ(held_count_, 0U);  // It would overtake a barrier.
    for (Lane& lane : lanes_) {
        lane.watermark = lane.watermark ? data::merged(*lane.watermark, watermark) : watermark;
    }
}

Status OutputEdge::place_control(data::Element element, TimePoint now) {
    MILLRACE_CHECK(has_control_room());
    held_[held_count_++] = std::move(element);
    return advance(now);
}

Result<bool> OutputEdge::pass_oldest() {
    bool everywhere = true;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        MILLRACE_TRY_ASSIGN(const bool passed, pass(i));
        everywhere = everywhere && passed;
    }
    if (!everywhere) return false;
    std::ranges::move(held_.begin() + 1, held_.begin() + static_cast<std::ptrdiff_t>(held_count_),
                      held_.begin());
    --held_count_;
    for (Lane& lane : lanes_) lane.passed = false;
    return true;
}

Result<bool> OutputEdge::pass(std::size_t index) {
    Lane& lane = lanes_[index];
    if (lane.passed) return true;
    MILLRACE_TRY_ASSIGN(const bool flushed, flush(index));
    if (!flushed || !lane.channel->has_control_room()) return false;
    if (lane.watermark) {
        lane.channel->push(*std::exchange(lane.watermark, std::nullopt));
        if (!lane.channel->has_control_room()) return false;
    }
    lane.channel->push(held_[0]);
    lane.passed = true;
    return true;
}

void OutputEdge::send_watermarks() {
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        Lane& lane = lanes_[i];
        if (!lane.watermark || has_rows(i) || !lane.channel->has_room()) continue;
        lane.channel->push(*std::exchange(lane.watermark, std::nullopt));
    }
}

bool OutputEdge::is_settled() {
    return held_count_ == 0 &&
           std::ranges::all_of(lanes_, [](const Lane& lane) { return lane.channel->is_settled(); });
}

const Error* OutputEdge::failed() const {
    for (const Lane& lane : lanes_) {
        if (const Error* why = lane.channel->failed()) return why;
    }
    return nullptr;
}

std::size_t OutputEdge::blocking_channel() {
    const auto lane =
        std::ranges::find_if(lanes_, [](const Lane& l) { return !l.channel->has_room(); });
    return lane == lanes_.end() ? 0 : static_cast<std::size_t>(lane - lanes_.begin());
}

namespace {

class RebalanceEdge final : public OutputEdge {
  public:
    explicit RebalanceEdge(const std::vector<OutputChannel*>& channels) : OutputEdge(channels) {}

    Status do_place(data::BatchPtr batch, TimePoint) override {
        lanes()[widest()].channel->push(std::move(batch));
        return {};
    }

  private:
    bool has_window() override {
        // Asks every channel, since one that is not asked does not ring.
        bool any = false;
        for (Lane& lane : lanes()) any = lane.channel->has_room() || any;
        return any;
    }

    // Begins behind the last choice, so that equal channels take turns.
    std::size_t widest() {
        std::size_t best = next_;
        std::size_t best_window = 0;
        for (std::size_t n = 0; n < lanes().size(); ++n) {
            const std::size_t i = (next_ + n) % lanes().size();
            const std::size_t window = lanes()[i].channel->free_window();
            if (window <= best_window) continue;
            best = i;
            best_window = window;
        }
        next_ = (best + 1) % lanes().size();
        return best;
    }

    std::size_t next_ = 0;
};

class BroadcastEdge final : public OutputEdge {
  public:
    explicit BroadcastEdge(const std::vector<OutputChannel*>& channels) : OutputEdge(channels) {}

    Status do_place(data::BatchPtr batch, TimePoint) override {
        for (Lane& lane : lanes()) lane.channel->push(batch);
        return {};
    }

  private:
    bool has_window() override {
        return std::ranges::all_of(lanes(),
                                   [](const Lane& lane) { return lane.channel->has_room(); });
    }
};

}  // namespace

std::unique_ptr<OutputEdge> make_rebalance_edge(const std::vector<OutputChannel*>& channels) {
    return std::make_unique<RebalanceEdge>(channels);
}

std::unique_ptr<OutputEdge> make_forward_edge(OutputChannel& channel) {
    return std::make_unique<RebalanceEdge>(std::vector<OutputChannel*>{&channel});
}

std::unique_ptr<OutputEdge> make_broadcast_edge(const std::vector<OutputChannel*>& channels) {
    return std::make_unique<BroadcastEdge>(channels);
}

}  // namespace millrace::task
