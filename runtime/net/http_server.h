// Serves HTTP/1.1 on an event loop: one handler, strict limits, keep-alive.
//
// The handler gets each request on the loop's thread and answers through an HttpResponder, at once
// or later, from any thread. Requests of one connection are handled one at a time; a pipelined one
// waits. The server itself answers 400, 403 (Host), 405, 408, 413, 415, 429, 431, 501, 503 and 505,
// as plain text of one line.
//
// Threads:    the loop's; HttpResponder any.
// Ownership:  loop, clock and metrics are borrowed and must outlive the server. A responder may
//             outlive it: its answer is then dropped.
// Limits:     HttpLimits. A connection above them is told so (503, or 429 for one address) and
//             closed.
// Failure:    a handler that drops its responder is answered with 500, one that takes longer than
//             the request deadline with 503.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"
#include "runtime/net/event_loop.h"
#include "runtime/net/http_message.h"
#include "runtime/net/http_parser.h"

namespace millrace::net {

// Answers one request, once.
class HttpResponder {
  public:
    using Sink = std::function<void(HttpResponse)>;

    // `sink` must be callable from any thread.
    explicit HttpResponder(Sink sink);
    HttpResponder(HttpResponder&& other) noexcept;
    HttpResponder& operator=(HttpResponder&&) = delete;
    // Answers 500 when send() was not called.
    ~HttpResponder();

    // REQUIRES: not called before.
    void send(HttpResponse response);

  private:
    Sink sink_;
};

class HttpServer {
  public:
    // std::function copies, so a handler that answers later keeps the responder in a shared_ptr.
    using Handler = std::function<void(HttpRequest, HttpResponder)>;

    struct Options {
        BindScope scope = BindScope::kLoopback;
        HttpLimits limits{};
        // Values of the Host header, without port, that are served; empty serves all.
        std::vector<std::string> hosts{};
        // The longest body of a route where it is not limits.body_bytes_max.
        HttpRequestParser::BodyLimit body_limit{};
    };

    HttpServer(EventLoop& loop, metrics::MetricGroup& metrics, Options options, Handler handler);
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    ~HttpServer();

    // Errors: those of TcpListener::listen().
    Status listen(const Address& address);
    // Stops listening and closes all connections. Idempotent.
    void stop();

    [[nodiscard]] std::uint16_t port() const;
    [[nodiscard]] std::size_t connection_count() const;

  private:
    struct Core;

    std::shared_ptr<Core> core_;
};

}  // namespace millrace::net
