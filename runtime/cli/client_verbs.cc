#include "runtime/cli/client_verbs.h"

#include <cstdio>
#include <thread>

#include <boost/json.hpp>
#include <fmt/core.h>

#include "proto/job.pb.h"
#include "runtime/cli/exit_codes.h"
#include "runtime/cli/job_documents.h"
#include "runtime/cli/json_fields.h"
#include "runtime/cli/progress_text.h"
#include "runtime/net/http_client.h"

namespace millrace::cli {
namespace {

namespace json = boost::json;

constexpr Duration kDeadline = std::chrono::seconds(60);
constexpr Duration kPollEvery = std::chrono::milliseconds(200);
constexpr std::string_view kHowToReach =
    ". Hint: `millrace jobmanager` starts one; --server is its REST address";

// What the server answered, or the code to exit with after the reason was printed.
std::expected<net::HttpResponse, ExitCode> call(const CommandLine& line, std::string method,
                                                std::string target, std::string body = {}) {
    const auto address = net::parse_address(line.server, 8081);
    if (!address) {
        fmt::print(stderr, "millrace: --server: {}\n", address.error().message);
        return std::unexpected(ExitCode::kUsage);
    }
    auto response =
        net::http_call({.address = *address,
                        .method = std::move(method),
                        .target = std::move(target),
                        .headers = {{"Accept", "application/problem+json, application/json"}},
                        .body = std::move(body),
                        .deadline = kDeadline});
    if (!response) {
        fmt::print(stderr, "millrace: {}{}\n", response.error().message,
                   response.error().code == Code::kUnavailable ? kHowToReach : "");
        return std::unexpected(exit_code_of(response.error().code));
    }
    return std::move(*response);
}

// The exit code of a refusal whose causes were printed.
ExitCode nothing_started(const net::HttpResponse& response) {
    fmt::print(stderr, "millrace: nothing was started\n");
    boost::system::error_code error;
    return exit_code_of(response.status, text_at(json::parse(response.body, error), "code"));
}

// Prints why the server refused.
ExitCode refused(const net::HttpResponse& response) {
    boost::system::error_code error;
    const json::value body = json::parse(response.body, error);
    std::string why = error ? response.body : text_at(body, "detail");
    if (why.empty()) why = fmt::format("the server answered {}", response.status);
    fmt::print(stderr, "millrace: {}\n", why);
    return exit_code_of(response.status, error ? std::string() : text_at(body, "code"));
}

// The server's diagnostics of a document, each under the line of the user's file that it is about.
std::vector<config::Diagnostic> diagnostics_in(const net::HttpResponse& response,
                                               const jobfile::Places& places) {
    boost::system::error_code error;
    const json::value body = json::parse(response.body, error);
    std::vector<config::Diagnostic> diagnostics;
    for (const json::value& entry : list_at(body, "errors")) {
        const std::string path = text_at(entry, "path");
        const bool is_warning = text_at(entry, "severity") == "warning";
        diagnostics.push_back(
            {.code = text_at(entry, "code"),
             .severity = is_warning ? config::Severity::kWarning : config::Severity::kError,
             .mark = places.value_of(path),
             .path = path,
             .message = text_at(entry, "message"),
             .fix = text_at(entry, "fix")});
    }
    config::sort_by_place(diagnostics);
    return diagnostics;
}

std::expected<json::value, ExitCode> get(const CommandLine& line, const std::string& target) {
    auto response = call(line, "GET", target);
    if (!response) return std::unexpected(response.error());
    if (response->status != 200) return std::unexpected(refused(*response));
    boost::system::error_code error;
    json::value body = json::parse(response->body, error);
    if (error) {
        fmt::print(stderr, "millrace: the answer is not JSON: {}\n", error.message());
        return std::unexpected(ExitCode::kFailed);
    }
    return body;
}

bool is_final(std::string_view state) {
    return state == "FINISHED" || state == "CANCELED" || state == "FAILED";
}

// Waits for the job's end; its exit code.
ExitCode wait_for_end(const CommandLine& line, const std::string& id) {
    while (true) {
        const auto progress = get(line, "/jobs/" + id + "/progress");
        if (!progress) return progress.error();
        const std::string state = text_at(*progress, "state");
        if (is_final(state)) {
            fmt::print(stderr, "job {} is {}\n", text_at(*progress, "name"), state);
            if (state == "FAILED")
                fmt::print(stderr, "cause: {}\n", text_at(*progress, "last-failure"));
            return state == "FAILED" ? ExitCode::kFailed : ExitCode::kDone;
        }
        std::this_thread::sleep_for(kPollEvery);
    }
}

}  // namespace

ExitCode submit_job(const CommandLine& line, const jobfile::ExpressionChecker* expressions) {
    const auto validation = read_job(line, expressions);
    if (!validation) return validation.error();
    const auto response = call(line, "POST", "/jobs", validation->resolved);
    if (!response) return response.error();
    if (response->status != 202) {
        const auto diagnostics = diagnostics_in(*response, validation->places);
        if (diagnostics.empty()) return refused(*response);
        std::fputs(config::report(diagnostics, validation->sources, form_of(line)).c_str(), stderr);
        return nothing_started(*response);
    }
    const json::value body = json::parse(response->body);
    const std::string url = text_at(body, "jobUrl");
    const std::string id = url.substr(url.rfind('/') + 1);
    if (line.output == OutputForm::kJson) {
        fmt::print("{}\n",
                   json::serialize(json::object{{"name", validation->job->name()}, {"id", id}}));
    } else {
        fmt::print("{} {}\n", validation->job->name(), id);
        fmt::print(stderr, "submitted; `millrace describe {}` shows it\n", validation->job->name());
    }
    return line.wait ? wait_for_end(line, id) : ExitCode::kDone;
}

ExitCode list_jobs(const CommandLine& line) {
    const auto body = get(line, "/jobs/overview");
    if (!body) return body.error();
    if (line.output == OutputForm::kJson) {
        fmt::print("{}\n", json::serialize(list_at(*body, "jobs")));
        return ExitCode::kDone;
    }
    fmt::print("{:<24} {:<34} {:<12} {:>10}\n", "NAME", "ID", "STATE", "SECONDS");
    for (const json::value& job : list_at(*body, "jobs")) {
        fmt::print("{:<24} {:<34} {:<12} {:>10}\n", text_at(job, "name"), text_at(job, "jid"),
                   text_at(job, "state"), number_at(job, "duration") / 1000);
    }
    return ExitCode::kDone;
}

ExitCode describe_job(const CommandLine& line) {
    const auto progress = get(line, "/jobs/" + line.job + "/progress");
    if (!progress) return progress.error();
    if (line.output == OutputForm::kJson) {
        fmt::print("{}\n", json::serialize(*progress));
        return ExitCode::kDone;
    }
    std::fputs(progress_text(*progress).c_str(), stdout);
    return ExitCode::kDone;
}

ExitCode cancel_job(const CommandLine& line) {
    const auto response = call(line, "PATCH", "/jobs/" + line.job + "?mode=cancel");
    if (!response) return response.error();
    if (response->status != 202) return refused(*response);
    fmt::print(stderr, "cancelling {}\n", line.job);
    return line.wait ? wait_for_end(line, line.job) : ExitCode::kDone;
}

}  // namespace millrace::cli
