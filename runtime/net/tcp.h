// TCP streams, listeners and connects on an event loop: what the rest of this folder knows of
// sockets.
//
// A stream tells when bytes have come, and its owner takes them with read_now(), straight into
// memory of its choice. Writing is either write(), which keeps at it until all is out, or
// write_now() with await_writable(), which never holds on to memory. Nothing is buffered here.
//
// Threads:    the loop's.
// Ownership:  the caller owns stream and listener; memory given to write() must live until
//             on_written, or until close() or the destructor returned: after that no byte of it is
//             touched and no event comes.
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
        // read_now() has something to say: bytes, or why there will be none.
        std::function<void()> on_readable;
        // Everything given to write() was handed to the system, or the reason why not.
        std::function<void(Status)> on_written;
        // write_now() has something to say.
        std::function<void()> on_writable;
    };
    // The operating system's side of it, known to tcp.cc only.
    struct Socket;

    explicit TcpStream(std::shared_ptr<Socket> socket);
    TcpStream(const TcpStream&) = delete;
    TcpStream& operator=(const TcpStream&) = delete;
    ~TcpStream();

    // REQUIRES: called before the first await_readable() and write().
    void set_events(Events events);
    // Asks for one on_readable. REQUIRES: none asked for and not yet come.
    void await_readable();
    // Reads what has come: first into `first`, then into `second`. 0 when nothing has.
    // Errors: kUnavailable when the peer closed, or the connection was lost.
    // REQUIRES: `first` is not empty.
    Result<std::size_t> read_now(std::span<std::byte> first, std::span<std::byte> second = {});
    // Writes all bytes of all parts, in order. The parts' list itself is copied.
    // REQUIRES: no write under way; 1 <= parts.size() <= kPartsMax.
    void write(std::span<const std::span<const std::byte>> parts);
    // Writes what the system takes at once: 0 when nothing.
    // Errors: kUnavailable when the peer closed, or the connection was lost.
    // REQUIRES: 1 <= parts.size() <= kPartsMax, and no write() under way.
    Result<std::size_t> write_now(std::span<const std::span<const std::byte>> parts);
    // Asks for one on_writable. REQUIRES: none asked for and not yet come.
    void await_writable();
    // Tells the peer that no more will be written. REQUIRES: no write under way.
    void shutdown_write();
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
    // Errors: kUnavailable and kDeadlineExceeded; the text is the bare cause.
    TcpConnect(EventLoop& loop, const Address& address, Duration deadline, OnDone on_done);
    TcpConnect(const TcpConnect&) = delete;
    TcpConnect& operator=(const TcpConnect&) = delete;
    ~TcpConnect();

  private:
    struct Attempt;

    std::shared_ptr<Attempt> attempt_;
};

}  // namespace millrace::net
