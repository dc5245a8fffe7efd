// TCP streams, listeners and connects on an event loop: what the rest of this folder knows of
// sockets.
//
// A stream has at most one read and one write under way. Its reads and writes are into and out of
// the caller's memory; nothing is buffered here.
//
// Threads:    the loop's.
// Ownership:  the caller owns stream and listener; memory given to read() and write() must live
//             until the event, or until close() or the destructor returned: after that no byte of
//             it is touched and no event comes.
// Limits:     kPartsMax parts in one write.
// Failure:    events carry a Status: kUnavailable with the cause, once the peer is gone. A peer
//             that vanished without a word (power, cable) is noticed within kSilenceMax.

#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"
#include "runtime/net/event_loop.h"

namespace millrace::net {

class TcpStream {
  public:
    static constexpr std::size_t kPartsMax = 64;
    static constexpr std::chrono::seconds kSilenceMax{15};

    struct Events {
        // At least one byte arrived, or the reason why none will.
        std::function<void(Result<std::size_t>)> on_read;
        // Everything was handed to the system, or the reason why not.
        std::function<void(Status)> on_written;
    };
    // The operating system's side of it, known to tcp.cc only.
    struct Socket;

    explicit TcpStream(std::shared_ptr<Socket> socket);
    TcpStream(const TcpStream&) = delete;
    TcpStream& operator=(const TcpStream&) = delete;
    ~TcpStream();

    // REQUIRES: called before the first read() and write().
    void set_events(Events events);
    // Reads some bytes: first into `first`, then into `second`.
    // REQUIRES: no read under way; `first` is not empty.
    void read(std::span<std::byte> first, std::span<std::byte> second = {});
    // Writes all bytes of all parts, in order. The parts' list itself is copied.
    // REQUIRES: no write under way; 1 <= parts.size() <= kPartsMax.
    void write(std::span<const std::span<const std::byte>> parts);
    // Closes at once; bytes that the system has taken are still delivered.
    void close();

    [[nodiscard]] bool is_open() const;
    [[nodiscard]] const Address& peer() const;

  private:
    std::shared_ptr<Socket> socket_;
};

class TcpListener {
  public:
    using OnAccept = std::function<void(std::unique_ptr<TcpStream>)>;

    explicit TcpListener(EventLoop& loop);
    TcpListener(const TcpListener&) = delete;
    TcpListener& operator=(const TcpListener&) = delete;
    ~TcpListener();

    // Begins to accept. Resolves a host name, which may block.
    // Errors: those of check_bind() and listen_error().
    Status listen(const Address& address, BindScope scope, OnAccept on_accept);
    // Stops accepting; idempotent.
    void stop();
    // The port it listens on; 0 when it does not.
    [[nodiscard]] std::uint16_t port() const;

  private:
    struct Acceptor;

    EventLoop& loop_;
    std::shared_ptr<Acceptor> acceptor_;
};

// An attempt to connect; destroying it gives up, and its callback does not come.
class TcpConnect {
  public:
    using OnDone = std::function<void(Result<std::unique_ptr<TcpStream>>)>;

    // Resolves and connects; calls `on_done` once, never from inside the constructor.
    // Errors: kUnavailable with the cause, kDeadlineExceeded.
    TcpConnect(EventLoop& loop, const Address& address, Duration deadline, OnDone on_done);
    TcpConnect(const TcpConnect&) = delete;
    TcpConnect& operator=(const TcpConnect&) = delete;
    ~TcpConnect();

  private:
    struct Attempt;

    std::shared_ptr<Attempt> attempt_;
};

}  // namespace millrace::net
