// An HTTP request and its answer, as handlers and clients see them.
//
// Threads:    values.
// Limits:     HttpLimits, kept by the parser and the server.
// Failure:    none.

#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/net/address.h"

namespace millrace::net {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// The first value of the header `name`, compared without case; empty when absent.
[[nodiscard]] std::string_view find_header(const HttpHeaders& headers, std::string_view name);

struct HttpRequest {
    std::string method;  // GET, HEAD, POST, PUT, PATCH or DELETE.
    std::string path;    // As sent, from '/' to before '?'; not decoded.
    std::string query;   // What follows '?'.
    HttpHeaders headers;
    std::string body;
    Address peer;
};

struct HttpResponse {
    int status = 200;
    std::string content_type = "application/json";
    HttpHeaders headers{};  // Beside Content-Type, Content-Length and Connection.
    std::string body{};
};

struct HttpLimits {
    std::size_t header_bytes_max = 8U << 10;
    std::size_t headers_max = 100;
    std::size_t body_bytes_max = 1U << 20;
    // From the first byte of a request to its last; then again for its handler, and again for
    // sending the answer.
    Duration request_deadline = std::chrono::seconds(30);
    // Without a request on an open connection.
    Duration idle_deadline = std::chrono::seconds(60);
    std::size_t connections_max = 256;
    // Of one address beyond this machine.
    std::size_t connections_per_address_max = 16;
    // Requests in the hands of handlers.
    std::size_t in_flight_max = 64;
};

// The standard phrase of a status, for example "Not Found".
[[nodiscard]] std::string_view http_reason(int status);

}  // namespace millrace::net
