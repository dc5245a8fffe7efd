#include "runtime/web/rest_api.h"

#include <algorithm>
#include <array>
#include <memory>

#include "runtime/web/job_views.h"

namespace millrace::web {
namespace {

using jobmanager::JobEntry;

std::vector<std::string_view> split_path(std::string_view path) {
    std::vector<std::string_view> segments;
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('/'), path.size());
        if (end > 0) segments.push_back(path.substr(0, end));
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    if (!segments.empty() && segments.front() == "v1") segments.erase(segments.begin());
    return segments;
}

// The path without its `/v1`.
std::string joined(const std::vector<std::string_view>& segments) {
    std::string path;
    for (const std::string_view segment : segments) path += "/" + std::string(segment);
    return path;
}

std::string_view query_value(std::string_view query, std::string_view key) {
    while (!query.empty()) {
        const std::string_view pair = query.substr(0, query.find('&'));
        if (pair.starts_with(key) && pair.size() > key.size() && pair[key.size()] == '=') {
            return pair.substr(key.size() + 1);
        }
        query.remove_prefix(std::min(pair.size() + 1, query.size()));
    }
    return {};
}

// The paths that there are, and what each takes. `*` is one segment.
struct Path {
    std::string_view pattern;
    std::string_view methods;
};
constexpr std::string_view kRead = "GET, HEAD";
constexpr std::array kPaths{Path{"config", kRead},          Path{"findings", kRead},
                            Path{"health", kRead},          Path{"health/live", kRead},
                            Path{"health/ready", kRead},    Path{"jobs", "GET, HEAD, POST"},
                            Path{"jobs/overview", kRead},   Path{"jobs/*", "GET, HEAD, PATCH"},
                            Path{"jobs/*/document", kRead}, Path{"jobs/*/exceptions", kRead},
                            Path{"jobs/*/plan", kRead},     Path{"jobs/*/progress", kRead},
                            Path{"jobs/*/status", kRead},   Path{"metrics", kRead},
                            Path{"models", kRead},          Path{"overview", kRead},
                            Path{"taskmanagers", kRead},    Path{"taskmanagers/*/memory", kRead},
                            Path{"validate", "POST"},       Path{"version", kRead}};

const Path* find_path(const std::vector<std::string_view>& segments) {
    const auto found = std::find_if(kPaths.begin(), kPaths.end(), [&](const Path& path) {
        const auto wanted = split_path(path.pattern);
        return std::equal(wanted.begin(), wanted.end(), segments.begin(), segments.end(),
                          [](auto want, auto have) { return want == "*" || want == have; });
    });
    return found == kPaths.end() ? nullptr : &*found;
}

int status_of(Code code) {
    switch (code) {
        case Code::kNotFound:
            return 404;
        case Code::kAlreadyExists:
        case Code::kInvalidArgument:
            return 409;
        case Code::kPermissionDenied:
            return 403;
        case Code::kInvalidOption:
        case Code::kResourceExhausted:
            return 422;
        case Code::kUnavailable:
        case Code::kDeadlineExceeded:
            return 503;
        default:
            return 500;
    }
}

// Of a document that was valid: what it names may be missing, and it may be too large.
int status_of_refusal(Code code) {
    const bool is_its_own = code == Code::kNotFound || code == Code::kInvalidArgument;
    return is_its_own ? 422 : status_of(code);
}

bool wants_problem(const net::HttpRequest& request) {
    return net::find_header(request.headers, "Accept").find("application/problem+json") !=
           std::string_view::npos;
}

// A browser says which page a request that changes something comes from. Pages of other hosts may
// not send any, though the browser that shows them can reach this port.
bool is_of_another_page(const net::HttpRequest& request) {
    const std::string_view origin = net::find_header(request.headers, "Origin");
    if (origin.empty() || request.method == "GET" || request.method == "HEAD") return false;
    const std::size_t scheme = origin.find("://");
    return scheme == std::string_view::npos ||
           origin.substr(scheme + 3) != net::find_header(request.headers, "Host");
}

// `code` is the name of an Error's code, by which a client tells causes of one status apart.
net::HttpResponse problem(int status, std::string_view title, std::string_view detail,
                          std::string_view diagnostics = "[]", std::string_view code = "") {
    return {.status = status,
            .content_type = "application/problem+json",
            .body = problem_json(status, title, detail, diagnostics, code)};
}

// In Flink's form, unless the client asks for a problem document.
net::HttpResponse refusal(const net::HttpRequest& request, int status, std::string_view detail) {
    if (wants_problem(request)) return problem(status, net::http_reason(status), detail);
    return {.status = status, .body = flink_errors_json(detail)};
}

net::HttpResponse unknown_path(const net::HttpRequest& request) {
    return refusal(request, 404, "no such path: " + request.path);
}

net::HttpResponse json(std::string body) { return {.body = std::move(body)}; }

}  // namespace

RestApi::RestApi(jobmanager::JobManager& jobmanager, const metrics::Registry& metrics,
                 ReadDocument read_document, std::string version)
    : jobmanager_(jobmanager),
      process_(metrics, version,
               [] {
                   // Whoever is asked here serves REST, and listens for TaskManagers before that.
                   return std::vector<HealthCheck>{{.name = "rest"}, {.name = "control port"}};
               }),
      read_document_(std::move(read_document)),
      version_(std::move(version)) {}

void RestApi::handle(const net::HttpRequest& request, net::HttpResponder responder) {
    const Segments path = split_path(request.path);
    const Path* known = find_path(path);
    if (known == nullptr) return responder.send(unknown_path(request));
    if (known->methods.find(request.method) == std::string_view::npos) {
        net::HttpResponse refused =
            refusal(request, 405, "this path takes " + std::string(known->methods));
        refused.headers.emplace_back("Allow", known->methods);
        return responder.send(std::move(refused));
    }
    if (is_of_another_page(request))
        return responder.send(refusal(request, 403, "a page of another host may not change this"));
    if (request.method == "PATCH") return responder.send(patch_job(request, path));
    if (request.method != "POST") return responder.send(get(request, path));
    if (path[0] == "validate") return responder.send(validate(request));
    submit(request, std::move(responder));
}

net::HttpResponse RestApi::get(const net::HttpRequest& request, const Segments& path) {
    const std::string whole = joined(path);
    if (ProcessApi::has(whole)) return process_.get(whole);
    if (path[0] == "jobs" && path.size() >= 2 && path[1] != "overview")
        return get_job(request, path);
    if (path[0] == "jobs" && path.size() == 1) return json(jobs_json(jobmanager_));
    if (path[0] == "jobs" && path.size() == 2) return json(jobs_overview_json(jobmanager_));
    if (path[0] == "overview" && path.size() == 1)
        return json(overview_json(jobmanager_, version_));
    if (path[0] == "config" && path.size() == 1) return json(config_json(version_));
    if (path[0] == "taskmanagers" && path.size() == 1) return json(taskmanagers_json(jobmanager_));
    if (path[0] == "taskmanagers" && path.size() == 3 && path[2] == "memory") {
        const auto& all = jobmanager_.taskmanagers().all();
        const auto found = all.find(std::string(path[1]));
        if (found == all.end()) return refusal(request, 404, "no such TaskManager");
        return json(taskmanager_memory_json(found->second));
    }
    if (path[0] == "models" && path.size() == 1)
        return json(models_json(jobmanager_, query_value(request.query, "job")));
    if (path[0] == "findings" && path.size() == 1) {
        return json(findings_json(jobmanager_, query_value(request.query, "job")));
    }
    return unknown_path(request);
}

net::HttpResponse RestApi::get_job(const net::HttpRequest& request, const Segments& path) {
    const auto found = jobmanager_.find(path[1]);
    if (!found) return refusal(request, status_of(found.error().code), found.error().message);
    const JobEntry& entry = **found;
    if (path.size() == 2) return json(job_json(jobmanager_, entry));
    if (path.size() == 3 && path[2] == "status") {
        return json("{\"status\":" + quoted(to_string(entry.master.state())) + "}");
    }
    if (path.size() == 3 && path[2] == "plan") return json("{\"plan\":" + plan_json(entry) + "}");
    if (path.size() == 3 && path[2] == "exceptions") return json(exceptions_json(entry));
    if (path.size() == 3 && path[2] == "progress") return json(progress_json(jobmanager_, entry));
    if (path.size() == 3 && path[2] == "document") {
        return {.content_type = "application/yaml", .body = entry.document};
    }
    return unknown_path(request);
}

net::HttpResponse RestApi::patch_job(const net::HttpRequest& request, const Segments& path) {
    const std::string_view mode = query_value(request.query, "mode");
    if (mode != "cancel" && !mode.empty()) return refusal(request, 400, "mode is `cancel`");
    const auto found = jobmanager_.find(path[1]);
    if (!found) return refusal(request, status_of(found.error().code), found.error().message);
    const Status cancelled = jobmanager_.cancel((*found)->master.id());
    if (!cancelled)
        return refusal(request, status_of(cancelled.error().code), cancelled.error().message);
    return {.status = 202, .body = "{}"};
}

net::HttpResponse RestApi::validate(const net::HttpRequest& request) {
    if (request.body.size() > kDocumentBytesMax)
        return problem(413, "too large", "a job document has at most 1 MiB");
    const DocumentOutcome outcome = read_document_(request.body);
    return json(std::string("{\"valid\":") + (outcome.is_valid ? "true" : "false") +
                ",\"diagnostics\":" + outcome.diagnostics_json + "}");
}

void RestApi::submit(const net::HttpRequest& request, net::HttpResponder responder) {
    if (request.body.size() > kDocumentBytesMax) {
        return responder.send(problem(413, "too large", "a job document has at most 1 MiB"));
    }
    DocumentOutcome outcome = read_document_(request.body);
    if (!outcome.is_valid) {
        return responder.send(
            problem(422, "the job is not valid", "nothing was started", outcome.diagnostics_json));
    }
    auto shared = std::make_shared<net::HttpResponder>(std::move(responder));
    const auto answer = [shared](const jobmanager::JobManager::Submitted& submitted) {
        if (submitted)
            return shared->send(
                {.status = 202, .body = "{\"jobUrl\":\"/jobs/" + submitted->to_string() + "\"}"});
        const auto& [cause, problems] = submitted.error();
        shared->send(problem(status_of_refusal(cause.code), "the job was refused", cause.message,
                             problems_json(problems), to_string(cause.code)));
    };
    jobmanager_.submit(std::move(outcome.job), request.body, answer);
}

}  // namespace millrace::web
