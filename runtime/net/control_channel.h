// Message connections between JobManager and TaskManagers: typed, ordered, bounded.
//
// A message is a type number and opaque bytes (a Protobuf message of proto/control.proto, to its
// users). The first frames are the hellos of hello.h; on_open comes when both have agreed. A
// message that was sent arrives once and in order, or the connection ends with a reason on both
// sides; there is no resending here.
//
// Threads:    the loop's, for everything, the callbacks included.
// Ownership:  the server or client shares each connection with whoever keeps a handle; dropping
//             handles does not close. Loop, clock and metrics are borrowed and must outlive both.
// Limits:     ControlLimits, and kControlPayloadBytesMax for one message.
// Failure:    on_closed comes exactly once for each connection that on_open was called for, with
//             the reason: never from inside send(), close() or stop(). Malformed frames close the
//             connection, are counted, and logged once a minute for each kind.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"
#include "runtime/net/event_loop.h"
#include "runtime/net/frame.h"
#include "runtime/net/hello.h"
#include "runtime/net/tcp.h"

namespace millrace::net {

// Message types begin here; those below belong to the connection itself.
inline constexpr std::uint16_t kMessageTypeFirst = 16;

struct ControlLimits {
    // Unsent bytes of one connection. A peer that lets more pile up is taken for dead.
    std::size_t send_queue_bytes_max = 32U << 20;
    std::size_t connections_max = 1024;
    Duration hello_deadline = std::chrono::seconds(10);
};

// What server and client have in common; known to control_channel.cc only.
class ControlPort;

class ControlConnection {
  public:
    struct State;

    explicit ControlConnection(std::unique_ptr<State> state);
    ControlConnection(const ControlConnection&) = delete;
    ControlConnection& operator=(const ControlConnection&) = delete;
    ~ControlConnection();

    // Queues a message. Errors: kUnavailable when the connection is closed; kResourceExhausted when
    // the queue is full, which closes the connection.
    // REQUIRES: `type` is one of the message types given to the server or client, and the payload
    // within its limit.
    Status send(std::uint16_t type, std::string_view payload);
    // Closes at once; what is queued is dropped. Idempotent: the first reason stays.
    void close(Error reason);
    // Closes when all queued messages have gone out, or after the hello deadline at the latest.
    void close_when_sent(Error reason);

    [[nodiscard]] bool is_open() const;
    [[nodiscard]] const Hello& peer() const;
    [[nodiscard]] const Address& peer_address() const;
    [[nodiscard]] std::size_t queued_bytes() const;

  private:
    friend class ControlPort;

    const std::unique_ptr<State> state_;
};

using ControlHandle = std::shared_ptr<ControlConnection>;

struct ControlCallbacks {
    std::function<void(const ControlHandle&)> on_open;
    // `payload` is valid during the call.
    std::function<void(const ControlHandle&, std::uint16_t type, std::string_view payload)>
        on_message;
    std::function<void(const ControlHandle&, const Error& reason)> on_closed;
};

// The JobManager's side.
class ControlServer {
  public:
    struct Options {
        Hello self;                              // Its epoch: this JobManager's term.
        std::vector<FrameRules::Rule> messages;  // Types taken, from kMessageTypeFirst.
        BindScope scope = BindScope::kLoopback;
        ControlLimits limits{};
    };

    ControlServer(EventLoop& loop, const Clock& clock, metrics::MetricGroup& metrics,
                  Options options, ControlCallbacks callbacks);
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;
    // Closes everything; on_closed does not come any more.
    ~ControlServer();

    // Errors: those of TcpListener::listen().
    Status listen(const Address& address);
    // Stops listening and closes all connections with `reason`. Idempotent.
    void stop(const Error& reason);

    [[nodiscard]] std::uint16_t port() const;
    // Connections now, those without a hello included.
    [[nodiscard]] std::size_t connection_count() const;
    [[nodiscard]] const WireFaults& faults() const;

  private:
    std::shared_ptr<ControlPort> port_;
    const BindScope scope_;
};

// A TaskManager's side: one connection at a time.
class ControlClient {
  public:
    struct Options {
        std::vector<FrameRules::Rule> messages;
        ControlLimits limits{};
    };
    using OnFailed = std::function<void(const Error&)>;

    ControlClient(EventLoop& loop, const Clock& clock, metrics::MetricGroup& metrics,
                  Options options, ControlCallbacks callbacks);
    ControlClient(const ControlClient&) = delete;
    ControlClient& operator=(const ControlClient&) = delete;
    // Closes everything; no callback comes any more.
    ~ControlClient();

    // Connects and says hello; on_open comes, or `on_failed` with kUnavailable, kDeadlineExceeded,
    // or the server's refusal. A server whose epoch is below `hello.leader_epoch` is kStale.
    // Whether and when to try again is the caller's decision.
    // REQUIRES: no connection and no attempt under way.
    void connect(const Address& address, const Hello& hello, Duration deadline, OnFailed on_failed);
    // Gives up the attempt and closes the connection with `reason`. Idempotent.
    void stop(const Error& reason);

    [[nodiscard]] const WireFaults& faults() const;

  private:
    std::shared_ptr<ControlPort> port_;
};

}  // namespace millrace::net
