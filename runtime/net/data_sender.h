// The sending half of the data plane: a channel's queue between its task and the network thread,
// and the connection that sends the queues of all channels to one TaskManager.
//
// Threads:    OutputState: the upper part by the task, the lower part by the loop. OutboundLink:
//             the loop's.
// Ownership:  an OutboundLink shares its channels with their RemoteOutputs.
// Limits:     those of data_channel.h.
// Failure:    fail() is final; the first reason stays.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "memory/network_buffer.h"
#include "runtime/base/clock.h"
#include "runtime/base/waker.h"
#include "runtime/net/data_channel.h"
#include "runtime/net/data_link.h"
#include "runtime/net/event_loop.h"
#include "runtime/net/hello.h"
#include "runtime/net/spsc_ring.h"
#include "runtime/net/tcp.h"

namespace millrace::net {

class OutboundLink;

class OutputState : public std::enable_shared_from_this<OutputState> {
  public:
    OutputState(EventLoop& loop, const ChannelKey& key, RemoteOutput::Options options);

    // For the task: see RemoteOutput.
    void attach(Waker& waker);
    bool can_send();
    bool can_send_event();
    bool is_drained();
    [[nodiscard]] std::uint32_t room() const;
    bool try_send(memory::NetworkBuffer& buffer);
    bool try_send_event(std::span<const std::byte> event);
    [[nodiscard]] const Error* failure() const;
    [[nodiscard]] ChannelStats stats() const;
    // Closes the channel and waits for the loop.
    void close();

    // For the loop.
    void bind(const std::shared_ptr<OutboundLink>& link, std::uint32_t number);
    // True when the oldest buffer or event may go out; else notes how long a buffer waits.
    bool has_sendable(TimePoint now);
    // What to tell a receiver that believes nothing waits here while buffers lack credit.
    std::optional<DataLead> take_untold_backlog();
    // REQUIRES: has_sendable().
    OutFrame take_frame();
    FrameResult<void> add_credit(std::uint32_t buffers, std::uint32_t events, TimePoint now);
    void on_sent(std::uint16_t type, std::size_t bytes);
    void fail(Error reason);

    // Constant after construction.
    EventLoop& loop;
    const ChannelKey key;

    // The loop's.
    bool is_listed = false;  // Among its link's ready channels.

  private:
    struct Outgoing {
        memory::NetworkBuffer buffer;
        std::vector<std::byte> event;
    };

    void hand_over(Outgoing item);
    void on_handed_over();
    void drop_queue();
    void wake();
    // Says whether `condition` holds; if not, the waker is woken when it may.
    template <class Condition>
    bool check_or_wait(Condition condition);

    const RemoteOutput::Options options_;
    SpscRing<Outgoing> ring_;  // From the task to the loop.

    // Read and written by both. Handed over by the task and not yet with the operating system:
    std::atomic<std::uint32_t> buffers_held_{0};
    std::atomic<std::uint32_t> events_held_{0};
    std::atomic<std::uint32_t> buffers_queued_{0};  // Of buffers_held_, those in ring_.
    std::atomic<bool> is_handover_posted_{false};
    std::atomic<bool> wants_wake_{false};
    std::atomic<Waker*> waker_{nullptr};
    // error_ is written before is_failed_ is set, and never after.
    std::atomic<bool> is_failed_{false};
    Error error_;

    // The loop's.
    std::weak_ptr<OutboundLink> link_;
    std::uint32_t number_ = 0;
    std::uint32_t sequence_ = 0;
    std::uint32_t event_credit_ = 0;
    std::uint32_t backlog_told_ = 0;
    bool is_starved_ = false;

    // Written by the loop, read by any; a moment old.
    std::atomic<std::uint32_t> credit_{0};
    std::atomic<std::uint64_t> starved_since_ns_{0};
    std::atomic<std::uint64_t> starved_ns_{0};
    std::atomic<std::uint64_t> buffers_sent_{0};
    std::atomic<std::uint64_t> bytes_sent_{0};
    std::atomic<std::uint64_t> events_sent_{0};
};

// What a connection counts for the whole data plane.
struct DataCounters {
    metrics::Counter& buffers;
    metrics::Counter& bytes;
};

// kConnecting --TCP--> kGreeting --hello accepted--> kOpen --lost, or no channel left--> kEnded
class OutboundLink final : public DataLink::Owner,
                           public std::enable_shared_from_this<OutboundLink> {
  public:
    struct Setup {
        EventLoop& loop;
        const Clock& clock;
        WireFaults& faults;
        DataCounters sent;
        Hello self;
        std::function<LeaderEpoch()> epoch;  // The newest, for each open.
        Address peer;
        Duration deadline;  // Until the hello is answered.
        std::size_t channels_max;
        std::function<void()> on_idle;   // No channel is left; no more may be added.
        std::function<void()> on_ended;  // Nothing will come any more.
    };

    explicit OutboundLink(Setup setup);

    void start();
    void add(const std::shared_ptr<OutputState>& output);
    // Tells the receiver that the channel is closed, and forgets it.
    void remove(std::uint32_t number, const Error& reason);
    // Fails all channels and closes.
    void end(const Error& reason);
    // Fails the channels of `job` with an attempt below `attempt`.
    void fence(const JobId& job, Attempt attempt);
    void mark_ready(OutputState& output);

    FrameResult<std::optional<std::span<std::byte>>> place_buffer(const DataLead&,
                                                                  std::size_t) override;
    FrameResult<void> on_frame(std::uint16_t type, const DataLead& lead,
                               std::span<const std::byte> payload) override;
    void on_burst_end() override {}
    void fill(std::deque<OutFrame>& frames, std::size_t count) override;
    void on_sent(std::uint16_t type, std::uint32_t channel, std::size_t bytes) override;
    void on_lost(Error reason) override;

  private:
    enum class Phase : unsigned char { kConnecting, kGreeting, kOpen, kEnded };

    void on_connected(Result<std::unique_ptr<TcpStream>> connected);
    FrameResult<void> on_answer(std::uint16_t type, std::span<const std::byte> payload);
    FrameResult<void> on_channel_frame(std::uint16_t type, const DataLead& lead,
                                       std::span<const std::byte> body);
    bool check_ready(OutputState& output, TimePoint now);
    void close_if_idle(const Error& reason);
    void send_open(std::uint32_t number, const OutputState& output);
    [[nodiscard]] OutputState* find(std::uint32_t number);

    const Setup setup_;
    Phase phase_ = Phase::kConnecting;
    TimerId deadline_{};
    std::unique_ptr<TcpConnect> connect_;
    std::unique_ptr<DataLink> link_;
    std::unordered_map<std::uint32_t, std::shared_ptr<OutputState>> channels_;
    std::uint32_t next_number_ = 0;
    std::deque<std::weak_ptr<OutputState>> ready_;
};

}  // namespace millrace::net
