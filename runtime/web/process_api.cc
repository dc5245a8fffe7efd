#include "runtime/web/process_api.h"

#include <algorithm>
#include <array>

#include "runtime/base/check.h"
#include "runtime/web/job_views.h"

namespace millrace::web {
namespace {

constexpr std::array<std::string_view, 5> kPaths{"/health", "/health/live", "/health/ready",
                                                 "/metrics", "/version"};

net::HttpResponse plain(int status, std::string body) {
    return {.status = status, .content_type = "text/plain", .body = std::move(body)};
}

}  // namespace

ProcessApi::ProcessApi(const metrics::Registry& metrics, std::string version, Checks checks)
    : metrics_(metrics), version_(std::move(version)), checks_(std::move(checks)) {}

bool ProcessApi::has(std::string_view path) {
    return std::find(kPaths.begin(), kPaths.end(), path) != kPaths.end();
}

net::HttpResponse ProcessApi::get(std::string_view path) const {
    MILLRACE_CHECK(has(path));
    if (path == "/metrics")
        return {.content_type = "text/plain; version=0.0.4", .body = metrics_.to_prometheus()};
    if (path == "/version")
        return {.body = "{\"version\":" + quoted(version_) + ",\"api-level\":\"2.0.0\"}"};
    if (path == "/health/live") return plain(200, "live\n");
    if (path == "/health/ready") return ready();
    return {.body = health_json()};
}

void ProcessApi::handle(const net::HttpRequest& request, net::HttpResponder responder) const {
    if (!has(request.path))
        return responder.send({.status = 404,
                               .body = flink_errors_json("no such path: " + request.path +
                                                         "; this is not a JobManager")});
    if (request.method != "GET" && request.method != "HEAD")
        return responder.send(
            {.status = 405, .body = flink_errors_json("this path takes GET, HEAD")});
    responder.send(get(request.path));
}

net::HttpResponse ProcessApi::ready() const {
    std::string missing;
    for (const HealthCheck& check : checks_()) {
        if (!check.is_ready) missing += check.name + ": " + check.message + "\n";
    }
    return missing.empty() ? plain(200, "ready\n") : plain(503, missing);
}

std::string ProcessApi::health_json() const {
    bool is_ready = true;
    std::string all;
    for (const HealthCheck& check : checks_()) {
        is_ready = is_ready && check.is_ready;
        all += (all.empty() ? "" : ",") + std::string("{\"name\":") + quoted(check.name) +
               ",\"status\":" + (check.is_ready ? "\"ok\"" : "\"failed\"") +
               ",\"message\":" + quoted(check.message) + "}";
    }
    return std::string("{\"status\":") + (is_ready ? "\"ok\"" : "\"failed\"") + ",\"checks\":[" +
           all + "]}";
}

}  // namespace millrace::web
