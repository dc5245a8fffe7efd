// The receiving half of the data plane: a gate's buffers, a channel's queue between the network
// thread and its task, and the connection that receives for the channels of one TaskManager.
//
// Credit: an input lends its exclusive buffers as soon as it is opened, and again whenever one
// comes back, and announces each as one credit. When a buffer arrives with word of more waiting at
// the sender than there is credit for, the gate lends floating ones, first come, first served.
// Floating buffers are lent only against such a backlog, so they are always used and come back.
//
// Threads:    InputState: the upper part by the task, the lower part by the loop. GateState and
//             InboundLink: the loop's.
// Ownership:  a gate owns its pools; an input shares its gate; a link shares its inputs.
// Limits:     those of data_channel.h.
// Failure:    fail() is final; the first reason stays.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "memory/local_buffer_pool.h"
#include "memory/network_buffer_pool.h"
#include "runtime/base/waker.h"
#include "runtime/net/data_channel.h"
#include "runtime/net/data_link.h"
#include "runtime/net/data_plane.h"
#include "runtime/net/data_sender.h"
#include "runtime/net/event_loop.h"
#include "runtime/net/hello.h"
#include "runtime/net/spsc_ring.h"

namespace millrace::net {

class InboundLink;
class InputState;

class GateState : public std::enable_shared_from_this<GateState> {
  public:
    GateState(EventLoop& loop, std::weak_ptr<PlaneState> plane, memory::NetworkBufferPool& pool,
              RemoteGate::Options options);

    // Makes the floating pool. Errors: kResourceExhausted.
    Status start();
    // Makes an exclusive pool, which lives as long as the gate. `on_available` rings from any
    // thread. Errors: kResourceExhausted.
    Result<memory::LocalBufferPool*> make_exclusive(std::function<void()> on_available);
    // Lends one buffer if the floating pool has one.
    std::optional<memory::NetworkBuffer> lend_floating() { return floating_->try_lend(); }
    // Serves `input` with floating buffers when some come back.
    void wait_for_floating(const std::shared_ptr<InputState>& input);
    // REQUIRES: no input and no buffer is left.
    void close();
    [[nodiscard]] std::uint32_t buffers_in_use() const;

    // Constant after construction.
    EventLoop& loop;
    const std::weak_ptr<PlaneState> plane;
    const RemoteGate::Options options;

  private:
    void on_floating_available();
    void serve_waiting();

    memory::NetworkBufferPool& pool_;
    std::atomic<bool> is_serve_posted_{false};
    std::deque<std::weak_ptr<InputState>> waiting_;  // The loop's.
    std::vector<std::unique_ptr<memory::LocalBufferPool>> exclusive_;
    std::unique_ptr<memory::LocalBufferPool> floating_;
};

class InputState : public std::enable_shared_from_this<InputState> {
  public:
    InputState(std::shared_ptr<GateState> gate, const ChannelKey& key);

    // For the task: see RemoteInput.
    void attach(Waker& waker);
    std::optional<Received> poll();
    [[nodiscard]] const Error* failure() const;
    [[nodiscard]] ChannelStats stats() const;
    void drop_queue();

    // For the loop.
    Status start();
    // Tells the sender, and lets go of everything but the queue, which is the task's.
    void close();
    void bind(const std::shared_ptr<InboundLink>& link, std::uint32_t number);
    [[nodiscard]] bool is_bound() const { return was_bound_; }
    // An empty buffer for what arrives; none when the sender had no credit.
    std::optional<memory::NetworkBuffer> take_empty();
    FrameResult<void> receive(const DataLead& lead, memory::NetworkBuffer buffer);
    FrameResult<void> receive_event(const DataLead& lead, std::span<const std::byte> event);
    void set_backlog(std::uint32_t buffers);
    // Lends what the backlog asks for; true when all of it was there.
    bool lend_for_backlog();
    // Credit not announced yet, as the lead of a credit frame; nullopt when there is none.
    std::optional<DataLead> take_announcement();
    void fail(Error reason);
    void wake();

    // Constant after construction.
    const std::shared_ptr<GateState> gate;
    const ChannelKey key;

    // The loop's.
    bool is_touched = false;  // Among its link's inputs to wake.
    bool is_listed = false;   // Among its link's inputs with credit to announce.
    bool is_waiting = false;  // Among its gate's inputs waiting for floating buffers.

  private:
    void post_top_up();
    void top_up();
    void announce();
    FrameResult<void> push(const DataLead& lead, Received received);

    SpscRing<Received> ring_;  // From the loop to the task.

    // Read and written by both.
    std::atomic<std::uint32_t> events_polled_{0};  // Not announced yet.
    std::atomic<std::uint32_t> buffers_queued_{0};
    std::atomic<bool> is_top_up_posted_{false};
    std::atomic<Waker*> waker_{nullptr};
    // error_ is written before is_failed_ is set, and never after.
    std::atomic<bool> is_failed_{false};
    Error error_;

    // The loop's.
    memory::LocalBufferPool* exclusive_ = nullptr;
    std::weak_ptr<InboundLink> link_;
    bool was_bound_ = false;
    std::uint32_t number_ = 0;
    std::uint32_t sequence_ = 0;
    std::uint32_t backlog_ = 0;
    std::uint32_t events_open_ = 0;  // Event credit with the sender.
    std::uint32_t buffers_unannounced_ = 0;
    std::vector<memory::NetworkBuffer> empties_;  // One for each credit, announced or not.

    // Written by the loop, read by any; a moment old.
    std::atomic<std::uint32_t> credit_{0};
    std::atomic<std::uint64_t> buffers_received_{0};
    std::atomic<std::uint64_t> bytes_received_{0};
    std::atomic<std::uint64_t> events_received_{0};
};

class InboundLink final : public DataLink::Owner, public std::enable_shared_from_this<InboundLink> {
  public:
    struct Setup {
        EventLoop& loop;
        WireFaults& faults;
        DataCounters received;
        std::size_t channels_max;
        std::size_t pending_opens_max;
        Duration hello_deadline;
        Duration open_deadline;
        // Judges a peer's hello, and gives ours.
        std::function<Result<Hello>(const Hello&)> greet;
        // The input that an open names; null when no task has made it yet.
        // Errors: kStale, kAlreadyExists.
        std::function<Result<std::shared_ptr<InputState>>(const ChannelOpen&)> find_input;
        std::function<void()> on_ended;
    };

    explicit InboundLink(Setup setup);

    void start(std::unique_ptr<TcpStream> stream);
    // Looks again for the input of an open that waits.
    void retry(const ChannelKey& key);
    // Rejects waiting opens and inputs of `job` with an attempt below `attempt`.
    void fence(const JobId& job, Attempt attempt);
    // Tells the sender that the channel is closed, and forgets it.
    void remove(std::uint32_t number, const Error& reason);
    void announce(const std::shared_ptr<InputState>& input);
    void end(const Error& reason);

    FrameResult<std::optional<std::span<std::byte>>> place_buffer(const DataLead& lead,
                                                                  std::size_t bytes) override;
    FrameResult<void> on_frame(std::uint16_t type, const DataLead& lead,
                               std::span<const std::byte> payload) override;
    void on_burst_end() override;
    void fill(std::deque<OutFrame>& frames, std::size_t count) override;
    void on_sent(std::uint16_t, std::uint32_t, std::size_t) override {}
    void on_lost(Error reason) override;

  private:
    struct PendingOpen {
        std::uint32_t number;
        ChannelOpen open;
        TimerId deadline;
    };
    // The buffer that is being received.
    struct Incoming {
        std::shared_ptr<InputState> input;
        memory::NetworkBuffer buffer;
        std::uint32_t number = 0;
    };

    FrameResult<void> on_hello(std::uint16_t type, std::span<const std::byte> payload);
    FrameResult<void> on_open(std::uint32_t number, std::span<const std::byte> body);
    FrameResult<void> on_closed(std::uint32_t number, std::span<const std::byte> body);
    void settle(std::uint32_t number, const ChannelOpen& open);
    void park(std::uint32_t number, const ChannelOpen& open);
    void reject(std::uint32_t number, const Error& reason);
    void touch(const std::shared_ptr<InputState>& input);
    [[nodiscard]] std::shared_ptr<InputState> find(std::uint32_t number) const;

    const Setup setup_;
    bool is_open_ = false;
    bool is_ended_ = false;
    TimerId deadline_{};
    std::unique_ptr<DataLink> link_;
    std::uint32_t next_number_ = 0;
    std::unordered_map<std::uint32_t, std::shared_ptr<InputState>> channels_;
    std::map<ChannelKey, PendingOpen> pending_;
    std::optional<Incoming> incoming_;
    std::vector<std::shared_ptr<InputState>> touched_;
    std::deque<std::weak_ptr<InputState>> to_announce_;
};

}  // namespace millrace::net
