// One output of a task: places batches on the channels of an edge, and control elements on all.
//
// Three ways to place a batch: on the channel with the widest free window (rebalance; forward is a
// rebalance over one channel), on all of them (broadcast), or row by row by key (key_hash_edge.h).
// Room is asked for before a batch is made; there is no overdraft.
//
//   rows, watermark, barrier, end  ->  lane 0: [rows not yet sent] -> [watermark] -> channel
//                                      lane 1: ...
//
// A barrier or end is behind everything that was placed before it. A lane without room for that
// keeps the barrier back (the others pass it at once) and the edge takes no batches until it has
// passed everywhere. A watermark may always be late: each lane keeps what the newest ones say until
// the rows before them are gone and there is room, so watermarks never fill a queue that nobody
// reads.
//
// Threads:    the task's.
// Ownership:  borrows the channels.
// Limits:     kHeldControlMax barriers or ends kept back.
// Failure:    kResourceExhausted when rows cannot be gathered; a channel's own reason.

#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "runtime/task/channel.h"

namespace millrace::task {

class OutputEdge {
  public:
    static constexpr std::size_t kHeldControlMax = 8;

    virtual ~OutputEdge() = default;
    OutputEdge(const OutputEdge&) = delete;
    OutputEdge& operator=(const OutputEdge&) = delete;

    void attach(Waker& waker);

    // Carries on with what is held back and what has lingered long enough. Called at the beginning
    // of each step and before room is asked for.
    Status advance(TimePoint now);
    // True when a batch may be placed.
    [[nodiscard]] bool has_room();
    // True when a barrier or an end may be placed.
    [[nodiscard]] bool has_control_room() const { return held_count_ < kHeldControlMax; }
    // REQUIRES: has_room() since the last operator call.
    Status place(data::BatchPtr batch, TimePoint now) { return do_place(std::move(batch), now); }
    // Kept until the rows before it are gone and there is room. REQUIRES: has_room() since the
    // last operator call.
    void place(const data::Watermark& watermark);
    // A barrier or the end, behind all that was placed before. REQUIRES: has_control_room().
    Status place_control(data::Element element, TimePoint now);

    // When advance() has something to do without a wake-up.
    [[nodiscard]] virtual TimePoint next_tick() const { return TimePoint::max(); }
    // True when everything placed has left this process's hands or stands in a channel.
    [[nodiscard]] bool is_settled();
    [[nodiscard]] const Error* failed() const;
    // The first channel without room; 0 when all have some. For people.
    [[nodiscard]] std::size_t blocking_channel();
    [[nodiscard]] std::size_t channel_count() const { return lanes_.size(); }

  protected:
    struct Lane {
        OutputChannel* channel = nullptr;
        std::optional<data::Watermark> watermark;  // Newest one not sent.
        bool passed = false;                       // The oldest held control element went through.
    };

    // REQUIRES: at least one channel.
    explicit OutputEdge(const std::vector<OutputChannel*>& channels);

    virtual Status do_place(data::BatchPtr batch, TimePoint now) = 0;
    // True when the channels' windows allow another batch.
    [[nodiscard]] virtual bool has_window() = 0;
    // Sends rows that wait in this lane; true when none is left.
    virtual Result<bool> flush(std::size_t lane) {
        (void)lane;
        return true;
    }
    [[nodiscard]] virtual bool has_rows(std::size_t lane) const {
        (void)lane;
        return false;
    }
    // Sends rows that lingered long enough, where there is room.
    virtual Status flush_due(TimePoint now) {
        (void)now;
        return {};
    }
    [[nodiscard]] std::vector<Lane>& lanes() { return lanes_; }

  private:
    // Sends the oldest held element where it has not passed; true when it passed everywhere.
    Result<bool> pass_oldest();
    Result<bool> pass(std::size_t lane);
    void send_watermarks();

    std::vector<Lane> lanes_;
    std::array<data::Element, kHeldControlMax> held_;
    std::size_t held_count_ = 0;
};

// Whole batches to the channel with the widest free window, in turn among equals.
std::unique_ptr<OutputEdge> make_rebalance_edge(const std::vector<OutputChannel*>& channels);
// Whole batches to the one channel.
std::unique_ptr<OutputEdge> make_forward_edge(OutputChannel& channel);
// Whole batches to every channel.
std::unique_ptr<OutputEdge> make_broadcast_edge(const std::vector<OutputChannel*>& channels);

}  // namespace millrace::task
