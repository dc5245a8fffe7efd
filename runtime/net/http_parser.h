// Reads HTTP/1 requests and answers out of a byte stream: Boost.Beast's parsers behind limits.
//
// The only door to Beast (http_parser.cc). Pure bytes, no sockets.
//
// Threads:    values; one owner.
// Limits:     header bytes, header count and body bytes as given; memory grows with the bytes that
//             arrived, not with the length that a peer claims.
// Failure:    an HttpFault: the status to answer with, and why.

#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "runtime/net/http_message.h"

namespace millrace::net {

struct HttpFault {
    int status;
    std::string text;
};

class HttpRequestParser {
  public:
    enum class Progress : unsigned char {
        kIncomplete,  // More bytes are needed.
        kContinue,    // The peer waits for `100 Continue` before it sends the body.
        kComplete,
    };
    // The longest body of one route; called when a request's header is complete.
    using BodyLimit = std::function<std::size_t(const HttpRequest&)>;

    HttpRequestParser(const HttpLimits& limits, BodyLimit body_limit);
    HttpRequestParser(const HttpRequestParser&) = delete;
    HttpRequestParser& operator=(const HttpRequestParser&) = delete;
    ~HttpRequestParser();

    // Takes the next bytes. Once complete, further bytes wait for the next request.
    // Errors: 400, 405, 413, 415, 431, 501, 505. After an error the stream is of no use.
    std::expected<Progress, HttpFault> feed(std::span<const std::byte> bytes);
    // The complete request; then the parser is ready for the next, of which bytes may wait:
    // feed() with no bytes goes on with them.
    // REQUIRES: the last feed() said kComplete.
    HttpRequest take();
    // Whether the connection stays open after the request last completed.
    [[nodiscard]] bool is_keep_alive() const;
    // True when a request has begun and is not complete.
    [[nodiscard]] bool has_begun() const;

  private:
    struct Machine;

    std::unique_ptr<Machine> machine_;
};

class HttpResponseParser {
  public:
    // `method` is that of the request: an answer to HEAD has no body.
    HttpResponseParser(std::string_view method, std::size_t header_bytes_max,
                       std::size_t body_bytes_max);
    HttpResponseParser(const HttpResponseParser&) = delete;
    HttpResponseParser& operator=(const HttpResponseParser&) = delete;
    ~HttpResponseParser();

    // Takes the next bytes; true when the answer is complete. The fault's status means nothing.
    std::expected<bool, HttpFault> feed(std::span<const std::byte> bytes);
    // Tells that the peer closed; true when that completes the answer.
    std::expected<bool, HttpFault> feed_end();
    // REQUIRES: feed() or feed_end() said true.
    HttpResponse take();

  private:
    struct Machine;

    std::unique_ptr<Machine> machine_;
};

}  // namespace millrace::net
