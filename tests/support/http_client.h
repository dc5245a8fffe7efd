// One HTTP/1.1 request to a server on loopback, and its whole answer.
//
// Independent of the product's HTTP code on purpose. Opens a connection per request and asks the
// server to close it.
//
// Threads:    any; blocks the caller.
// Limits:     an answer of 64 MiB; the deadline covers the whole exchange.
// Failure:    kUnavailable (no connection), kDeadlineExceeded, kCorruption (not an HTTP answer).

#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/status.h"
#include "tests/support/eventually.h"

namespace millrace::support {

struct HttpRequest {
    std::uint16_t port = 0;
    std::string method = "GET";
    std::string target = "/";
    std::string body{};  // Sent with Content-Length when not empty, or when the method is not GET.
    std::vector<std::pair<std::string, std::string>> headers{};
};

struct HttpResponse {
    int status = 0;
    std::map<std::string, std::string> headers;  // Names in lower case.
    std::string body;                            // Chunks joined.
};

[[nodiscard]] Result<HttpResponse> http(const HttpRequest& request,
                                        std::chrono::milliseconds patience = kPatience);

[[nodiscard]] Result<HttpResponse> http_get(std::uint16_t port, std::string target);

// Sends `bytes` as they are and returns what comes back until the server closes the connection:
// for malformed requests and frames.
[[nodiscard]] Result<std::string> exchange_bytes(std::uint16_t port, std::string_view bytes,
                                                 std::chrono::milliseconds patience = kPatience);

// Reads the answer in `text`. Errors: kCorruption.
[[nodiscard]] Result<HttpResponse> parse_http_response(std::string_view text);

}  // namespace millrace::support
