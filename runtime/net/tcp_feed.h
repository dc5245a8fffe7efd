// A connection whose bytes another thread takes without waiting: what a source reads lines from.
//
// The loop connects and waits until bytes have come; then it is the reader's turn, which takes them
// out of the socket itself, straight into its own memory, until there are none. Nothing is buffered
// here: a reader that does not come lets the system's window fill, and so holds the sender back.
//
// Threads:    made, read and destroyed by one thread, the reader's; `ring` is called by the loop's.
// Ownership:  owns the socket; borrows the loop. `ring` may be called until the loop has heard that
//             this was destroyed, so it must own what it touches.
// Limits:     none of its own: it holds no bytes.
// Failure:    kUnavailable or kDeadlineExceeded with the cause, from read(), once and for all.

#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"
#include "runtime/net/event_loop.h"

namespace millrace::net {

class TcpFeed {
  public:
    // Begins to connect and returns at once.
    TcpFeed(EventLoop& loop, const Address& address, Duration deadline, std::function<void()> ring);
    TcpFeed(const TcpFeed&) = delete;
    TcpFeed& operator=(const TcpFeed&) = delete;
    ~TcpFeed();

    // Takes bytes that have come; 0 = none now, and `ring` is called once there is more to say.
    // REQUIRES: `into` is not empty.
    Result<std::size_t> read(std::span<std::byte> into);
    [[nodiscard]] bool is_connected() const;

  private:
    struct State;

    EventLoop& loop_;
    std::shared_ptr<State> state_;
};

}  // namespace millrace::net
