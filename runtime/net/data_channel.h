// The two ends of a channel between TaskManagers, as worker threads use them: buffers against
// credit, events in band.
//
// Buffers and events come out in the order in which they went in. A buffer leaves the sender only
// against credit, which stands for an empty buffer that waits at the receiver; so a receiver that
// does not consume stops this sender and nobody else. An event needs no buffer; it has a window of
// its own, kEventsMax, so that nothing here grows without bound.
//
// Threads:    each end belongs to one task, whose thread may change between steps; stats() any.
//             Wakers are woken by the network thread.
// Ownership:  made by DataPlane and RemoteGate, which must outlive them. Destroying an end closes
//             the channel, drops what it still holds, and waits for the network thread; after that
//             its waker is not woken any more. Buffers that poll() gave must be gone before their
//             RemoteGate is.
// Limits:     RemoteOutput::Options, kEventsMax, kEventBytesMax; a buffer is at most
//             kDataBufferBytesMax. An input holds at most the exclusive and floating buffers of
//             its gate.
// Failure:    failure() says why nothing moves any more: the connection was lost (kUnavailable),
//             the attempt or epoch is stale (kStale), the peer does not know the channel
//             (kNotFound) or has closed it (kCancelled). It is final.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "memory/network_buffer.h"
#include "runtime/base/ids.h"
#include "runtime/base/status.h"
#include "runtime/base/waker.h"

namespace millrace::net {

// Names a channel in all TaskManagers of a cluster.
struct ChannelKey {
    JobId job;
    Attempt attempt{};
    std::uint64_t channel = 0;  // Counted through a job's channels by whoever deploys it.

    auto operator<=>(const ChannelKey&) const = default;
};

// Events that one channel may have under way, sent and not yet polled.
inline constexpr std::uint32_t kEventsMax = 64;
inline constexpr std::uint32_t kEventBytesMax = 4U << 10;

struct ChannelStats {
    std::uint64_t buffers = 0;
    std::uint64_t bytes = 0;  // Of buffers, without headers.
    std::uint64_t events = 0;
    std::uint32_t credit = 0;      // What the sender may send; what the receiver has announced.
    std::uint32_t queued = 0;      // Buffers that wait: for credit, or to be polled.
    std::uint64_t starved_ns = 0;  // How long buffers have waited without credit; sender only.
};

class OutputState;
class InputState;

class RemoteOutput {
  public:
    struct Options {
        std::uint32_t queue_buffers_max = 10;  // Handed over and not yet sent.
    };

    explicit RemoteOutput(std::shared_ptr<OutputState> state);
    RemoteOutput(const RemoteOutput&) = delete;
    RemoteOutput& operator=(const RemoteOutput&) = delete;
    ~RemoteOutput();

    // Wakes `waker` when room came back that a call below had denied, when is_drained() became
    // true after it had said false, and when failure() has news. Once, before the first send.
    void attach(Waker& waker);
    // True when try_send() will take a buffer. A failed channel takes everything and drops it.
    [[nodiscard]] bool can_send();
    [[nodiscard]] bool can_send_event();
    // Buffers that can be handed over now.
    [[nodiscard]] std::uint32_t room() const;
    // Takes the buffer's bytes in use; false, with `buffer` untouched, when there is no room.
    // REQUIRES: 1 <= buffer.size() <= kDataBufferBytesMax.
    [[nodiscard]] bool try_send(memory::NetworkBuffer& buffer);
    // REQUIRES: 1 <= event.size() <= kEventBytesMax.
    [[nodiscard]] bool try_send_event(std::span<const std::byte> event);
    // True when everything handed over is with the operating system (or the channel has failed).
    [[nodiscard]] bool is_drained();
    // Null while the channel is sound; valid for this object's life.
    [[nodiscard]] const Error* failure() const;
    [[nodiscard]] ChannelStats stats() const;

  private:
    const std::shared_ptr<OutputState> state_;
};

// What poll() gives: a buffer, or an event when the buffer is empty.
struct Received {
    memory::NetworkBuffer buffer;
    std::vector<std::byte> event;

    [[nodiscard]] bool is_event() const { return buffer.is_empty(); }
};

class RemoteInput {
  public:
    explicit RemoteInput(std::shared_ptr<InputState> state);
    RemoteInput(const RemoteInput&) = delete;
    RemoteInput& operator=(const RemoteInput&) = delete;
    ~RemoteInput();

    // Wakes `waker` when poll() or failure() may have news. Once, before the first poll().
    void attach(Waker& waker);
    // Takes the next buffer or event; nullopt when there is none now. The credit of a buffer goes
    // back to the sender when its last handle is dropped.
    [[nodiscard]] std::optional<Received> poll();
    // Null while the channel is sound. What came in before the failure is still polled; look here
    // when poll() gives nothing and the end of the stream has not come. A sender that closed after
    // its last event shows here, too.
    [[nodiscard]] const Error* failure() const;
    [[nodiscard]] ChannelStats stats() const;

  private:
    const std::shared_ptr<InputState> state_;
};

}  // namespace millrace::net
