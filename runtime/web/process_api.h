// What every process of Millrace answers over HTTP: health, version, metrics.
//
//   GET /health/live    200: whoever can answer has a loop that turns
//   GET /health/ready   200, or 503 with what is missing
//   GET /health         the checks one by one
//   GET /version, /metrics
//
// Threads:    the control loop's.
// Ownership:  borrows the registry.
// Limits:     those of the HTTP server.
// Failure:    every fault of a request is an answer with the right status.

#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/metrics.h"
#include "runtime/net/http_message.h"
#include "runtime/net/http_server.h"

namespace millrace::web {

// One thing that a process needs to do its work.
struct HealthCheck {
    std::string name;
    bool is_ready = true;
    std::string message{};  // What is missing.
};

class ProcessApi {
  public:
    using Checks = std::function<std::vector<HealthCheck>()>;

    ProcessApi(const metrics::Registry& metrics, std::string version, Checks checks);

    // Whether `path` (with its leading slash) is one of those above.
    [[nodiscard]] static bool has(std::string_view path);
    // REQUIRES: has(path).
    [[nodiscard]] net::HttpResponse get(std::string_view path) const;
    // For a process that serves nothing else.
    void handle(const net::HttpRequest& request, net::HttpResponder responder) const;

  private:
    [[nodiscard]] net::HttpResponse ready() const;
    [[nodiscard]] std::string health_json() const;

    const metrics::Registry& metrics_;
    const std::string version_;
    const Checks checks_;
};

}  // namespace millrace::web
