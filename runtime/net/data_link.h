// One connection of the data plane: cuts frames out of the stream, straight into the memory that
// its owner names, and writes frames out of network buffers.
//
// Reads and writes happen at once or not at all, so no memory is held by the system in between: a
// channel can be taken away at any time, even in the middle of a frame.
//
// Threads:    the loop's.
// Ownership:  belongs to its owner, which it borrows, and which lives until on_lost or close().
// Limits:     kQueuedFramesMax control frames; data frames as many as the owner's fill() gives.
// Failure:    on_lost comes once, never from inside a call of the owner; a malformed frame is
//             recorded first.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "memory/network_buffer.h"
#include "runtime/base/status.h"
#include "runtime/net/data_frames.h"
#include "runtime/net/event_loop.h"
#include "runtime/net/frame.h"
#include "runtime/net/tcp.h"
#include "runtime/net/wire_faults.h"

namespace millrace::net {

struct OutFrame {
    DataHeadBytes head;
    memory::NetworkBuffer buffer;  // The body of a buffer frame,
    std::vector<std::byte> bytes;  // of any other.
    std::uint16_t type = 0;
    std::uint32_t channel = 0;

    [[nodiscard]] std::span<const std::byte> body() const {
        return buffer.is_empty() ? std::span<const std::byte>(bytes) : buffer.bytes();
    }
};

class DataLink {
  public:
    static constexpr std::size_t kFramesPerWrite = TcpStream::kPartsMax / 2;
    static constexpr std::size_t kQueuedFramesMax = 1U << 17;

    struct Owner {
        virtual ~Owner() = default;
        // Names the memory for a buffer frame's body; nullopt to read past it.
        virtual FrameResult<std::optional<std::span<std::byte>>> place_buffer(
            const DataLead& lead, std::size_t bytes) = 0;
        // A whole, checked frame; `payload` begins with the lead, but for a buffer frame, whose
        // body lies where place_buffer() said: there it is empty.
        virtual FrameResult<void> on_frame(std::uint16_t type, const DataLead& lead,
                                           std::span<const std::byte> payload) = 0;
        // All that had arrived was read.
        virtual void on_burst_end() = 0;
        // Adds frames to send, at most `count`.
        virtual void fill(std::deque<OutFrame>& frames, std::size_t count) = 0;
        // The system has taken a frame of `bytes` body bytes.
        virtual void on_sent(std::uint16_t type, std::uint32_t channel, std::size_t bytes) = 0;
        virtual void on_lost(Error reason) = 0;
    };

    // `rules` says what this side takes. `keep` keeps the owner alive through its callbacks.
    DataLink(EventLoop& loop, WireFaults& faults, Owner& owner, std::weak_ptr<void> keep,
             std::unique_ptr<TcpStream> stream, const FrameRules& rules);
    DataLink(const DataLink&) = delete;
    DataLink& operator=(const DataLink&) = delete;
    ~DataLink();

    void start();
    // Sends a frame that is not a channel's data.
    void queue(std::uint16_t type, const DataLead& lead, std::vector<std::byte> body);
    // Sends a hello or an answer to it, which have no lead.
    void queue_hello(std::uint16_t type, const std::vector<std::byte>& payload);
    // Asks fill() for frames and writes what the system takes; goes on by itself from there.
    void flush();
    // Reads past the body that is being placed, from here on: its memory goes away.
    void discard_body();
    // Lets go of a channel's buffers: frames not begun are dropped, one that is keeps a copy of
    // what is left of it.
    void drop_frames(std::uint32_t channel);
    // Records a fault of the peer and loses the link.
    void fault(const FrameFault& fault);
    // Loses the link when all queued frames are out.
    void lose_when_sent(Error reason);
    // Closes without on_lost.
    void close();

    [[nodiscard]] const Address& peer() const { return stream_->peer(); }

  private:
    void on_readable();
    Result<std::size_t> read_step();
    FrameResult<void> take(std::size_t bytes);
    FrameResult<void> take_head();
    FrameResult<void> take_body();
    void write_some();
    bool write_batch();
    void retire(std::size_t bytes);
    void lose(Error reason);

    EventLoop& loop_;
    WireFaults& faults_;
    Owner& owner_;
    const std::weak_ptr<void> keep_;
    const std::unique_ptr<TcpStream> stream_;
    const FrameRules& rules_;
    bool is_closed_ = false;

    // The frame that is being read.
    DataHeadBytes head_{};
    std::size_t head_filled_ = 0;
    bool is_in_body_ = false;
    FrameHeader header_;
    DataLead lead_;
    std::span<std::byte> body_;
    std::size_t body_filled_ = 0;
    bool is_discarding_ = false;
    std::vector<std::byte> space_;  // For payloads of other frames, and for bodies read past.

    // The frames that are being written.
    std::deque<OutFrame> frames_;
    std::size_t sent_of_first_ = 0;
    bool is_write_pending_ = false;  // on_writable or a posted flush will come.
    std::optional<Error> last_words_;
};

}  // namespace millrace::net
