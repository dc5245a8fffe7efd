// Makes one HTTP/1.1 call: for the command line's verbs, and for tests.
//
// Threads:    http_call(): any, blocking. HttpCall: its loop's.
// Ownership:  HttpCall borrows its loop; destroying it gives up.
// Limits:     the deadline covers connecting, sending and the whole answer; header and body of the
//             answer are bounded.
// Failure:    kUnavailable "JobManager unreachable at host:port: cause", kDeadlineExceeded, or
//             kCorruption for what is no HTTP. An answer with an error status is an answer.

#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"
#include "runtime/net/event_loop.h"
#include "runtime/net/http_message.h"

namespace millrace::net {

struct HttpCallOptions {
    Address address;
    std::string method = "GET";
    std::string target = "/";  // Path and query, encoded.
    HttpHeaders headers{};     // Beside Host, Content-Length and Connection.
    std::string body{};
    Duration deadline = std::chrono::seconds(30);
    std::size_t header_bytes_max = 16U << 10;
    std::size_t body_bytes_max = 64U << 20;
    std::string peer_name = "JobManager";  // What error texts call the peer.
};

class HttpCall {
  public:
    using OnDone = std::function<void(Result<HttpResponse>)>;

    // Calls `on_done` once, never from inside the constructor.
    HttpCall(EventLoop& loop, HttpCallOptions options, OnDone on_done);
    HttpCall(const HttpCall&) = delete;
    HttpCall& operator=(const HttpCall&) = delete;
    ~HttpCall();

  private:
    struct Exchange;

    std::shared_ptr<Exchange> exchange_;
};

// Makes the call and waits for its end.
Result<HttpResponse> http_call(HttpCallOptions options);

}  // namespace millrace::net
