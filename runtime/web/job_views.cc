#include "runtime/web/job_views.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "runtime/base/key_groups.h"

namespace millrace::web {
namespace {

namespace json = boost::json;
using jobmanager::JobEntry;
using jobmanager::JobManager;
using jobmanager::JobState;
using jobmanager::TaskManagerEntry;

constexpr std::array kTaskStates{"CREATED", "SCHEDULED",  "DEPLOYING", "INITIALIZING",
                                 "RUNNING", "FINISHED",   "CANCELING", "CANCELED",
                                 "FAILED",  "RECONCILING"};
constexpr std::array kJobStates{JobState::kCreated,  JobState::kRunning,    JobState::kFailing,
                                JobState::kFailed,   JobState::kCancelling, JobState::kCanceled,
                                JobState::kFinished, JobState::kRestarting};

// Tasks have no states of their own in the JobManager: they share that of their job.
std::string_view task_state(const JobEntry& entry) {
    switch (entry.master.state()) {
        case JobState::kCreated:
            return entry.master.missing_room().empty() ? "DEPLOYING" : "SCHEDULED";
        case JobState::kRunning:
            return "RUNNING";
        case JobState::kCancelling:
        case JobState::kFailing:
            return "CANCELING";
        case JobState::kRestarting:
            return "CREATED";
        case JobState::kFinished:
            return "FINISHED";
        case JobState::kCanceled:
            return "CANCELED";
        case JobState::kFailed:
            return "FAILED";
    }
    return "CREATED";
}

std::uint32_t task_count(const JobEntry& entry) {
    std::uint32_t count = 0;
    for (const graph::Vertex& vertex : entry.master.graph().vertices) count += vertex.parallelism;
    return count;
}

std::string lower(std::string_view text) {
    std::string made(text);
    std::transform(made.begin(), made.end(), made.begin(),
                   [](char c) { return static_cast<char>(std::tolower(c)); });
    return made;
}

std::int64_t end_ms(const JobEntry& entry) {
    return is_final(entry.master.state()) ? entry.master.entered_ms(entry.master.state()) : -1;
}

json::object counts_by_state(std::string_view state, std::uint32_t count, bool lower_case) {
    json::object counts;
    for (const std::string_view name : kTaskStates) {
        counts[lower_case ? lower(name) : std::string(name)] = name == state ? count : 0;
    }
    return counts;
}

std::string text_of(const json::value& value) { return json::serialize(value); }

// Rows for other tasks and for the world. Rows of a sink leave the job, so they count as sent.
std::uint64_t rows_out(const proto::SubtaskReport& report) {
    return report.records_out() + report.records_written();
}

json::object io_of(const JobEntry& entry, std::uint32_t vertex) {
    std::uint64_t in = 0;
    std::uint64_t out = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    for (const auto& [key, report] : entry.reports) {
        if (key.first != vertex) continue;
        in += report.records_in();
        out += rows_out(report);
        bytes_in += report.bytes_in();
        bytes_out += report.bytes_out();
    }
    return {{"read-bytes", bytes_in},
            {"read-bytes-complete", true},
            {"write-bytes", bytes_out},
            {"write-bytes-complete", true},
            {"read-records", in},
            {"read-records-complete", true},
            {"write-records", out},
            {"write-records-complete", true},
            {"accumulated-backpressured-time", 0},
            {"accumulated-idle-time", 0},
            {"accumulated-busy-time", 0}};
}

json::object vertex_of(const JobEntry& entry, std::uint32_t index, std::int64_t now_ms) {
    const graph::Vertex& vertex = entry.master.graph().vertices[index];
    const std::int64_t start = entry.master.entered_ms(JobState::kRunning);
    const std::int64_t end = end_ms(entry);
    const std::string_view state = task_state(entry);
    return {{"id", vertex.id.to_string()},
            {"slotSharingGroupId", std::string(32, '0')},
            {"name", vertex.name},
            {"maxParallelism", kKeyGroups},
            {"parallelism", vertex.parallelism},
            {"status", state},
            {"start-time", start == 0 ? -1 : start},
            {"end-time", end},
            {"duration", start == 0 ? -1 : (end < 0 ? now_ms : end) - start},
            {"tasks", counts_by_state(state, vertex.parallelism, false)},
            {"metrics", io_of(entry, index)}};
}

json::object plan_of(const JobEntry& entry) {
    const graph::JobGraph& graph = entry.master.graph();
    json::array nodes;
    for (std::uint32_t v = 0; v < graph.vertices.size(); ++v) {
        const graph::Vertex& vertex = graph.vertices[v];
        json::object node{{"id", vertex.id.to_string()},
                          {"parallelism", vertex.parallelism},
                          {"operator", ""},
                          {"operator_strategy", ""},
                          {"description", vertex.name},
                          {"optimizer_properties", json::object()}};
        json::array inputs;
        for (const graph::LinkIndex number : graph.inputs_of(v)) {
            const graph::Link& link = graph.links[number];
            const graph::Vertex& from = graph.vertices[graph.operators[link.from].vertex];
            inputs.push_back({{"num", inputs.size()},
                              {"id", from.id.to_string()},
                              {"ship_strategy", "REBALANCE"},
                              {"local_strategy", ""},
                              {"caching", ""},
                              {"exchange", "pipelined_bounded"}});
        }
        if (!inputs.empty()) node["inputs"] = std::move(inputs);
        nodes.push_back(std::move(node));
    }
    return {{"jid", entry.master.id().to_string()},
            {"name", entry.job.name()},
            {"type", "STREAMING"},
            {"nodes", std::move(nodes)}};
}

json::object resources(double cores, std::int64_t task_mb, std::int64_t managed_mb,
                       std::int64_t network_mb) {
    return {{"cpuCores", cores},
            {"taskHeapMemory", 0},
            {"taskOffHeapMemory", task_mb},
            {"managedMemory", managed_mb},
            {"networkMemory", network_mb},
            {"extendedResources", json::object()}};
}

std::int64_t region_bytes(const TaskManagerEntry& entry, std::string_view name) {
    for (const proto::MemoryRegion& region : entry.description.memory()) {
        if (region.name() == name) return region.bytes();
    }
    return 0;
}

json::object memory_configuration(const TaskManagerEntry& entry) {
    const std::int64_t overhead = region_bytes(entry, "overhead");
    return {{"frameworkHeap", 0},
            {"taskHeap", 0},
            {"frameworkOffHeap", region_bytes(entry, "framework")},
            {"taskOffHeap", region_bytes(entry, "task")},
            {"networkMemory", region_bytes(entry, "network")},
            {"managedMemory", region_bytes(entry, "managed")},
            {"jvmMetaspace", 0},
            {"jvmOverhead", overhead},
            {"totalFlinkMemory", entry.description.process_bytes() - overhead},
            {"totalProcessMemory", entry.description.process_bytes()}};
}

json::object taskmanager_of(const std::string& id, const TaskManagerEntry& entry) {
    constexpr std::int64_t kMiB = 1 << 20;
    const auto slots = static_cast<std::int64_t>(entry.slots.size());
    const std::int64_t free = entry.free_slots();
    const std::int64_t managed = region_bytes(entry, "managed");
    const auto mib = [&](std::string_view name) { return region_bytes(entry, name) / kMiB; };
    const double cores = entry.description.cpu_cores();
    return {{"id", id},
            {"path", entry.description.data_address()},
            {"dataPort", 0},
            {"jmxPort", -1},
            {"timeSinceLastHeartbeat", entry.heard_wall_ms},
            {"slotsNumber", slots},
            {"freeSlots", free},
            {"totalResource", resources(cores, mib("task"), mib("managed"), mib("network"))},
            {"freeResource",
             resources(cores, mib("task"), managed / kMiB * free / slots, mib("network"))},
            {"hardware",
             {{"cpuCores", entry.description.cpu_cores()},
              {"physicalMemory", entry.description.physical_memory_bytes()},
              {"freeMemory", 0},
              {"managedMemory", managed}}},
            {"memoryConfiguration", memory_configuration(entry)},
            {"blocked", false}};
}

json::object exception_of(const jobmanager::JobFailure& failure) {
    return {{"exceptionName", to_string(failure.cause.code)},
            {"stacktrace", failure.cause.message},
            {"timestamp", failure.wall_ms},
            {"failureLabels", json::object()},
            {"taskName", failure.task},
            {"endpoint", failure.taskmanager},
            {"taskManagerId", failure.taskmanager},
            {"concurrentExceptions", json::array()}};
}

bool is_wanted(const JobEntry& entry, std::string_view job) {
    return job.empty() || entry.job.name() == job || entry.master.id().to_string().starts_with(job);
}

json::value number_or_null(bool has, double value) {
    return has ? json::value(value) : json::value(nullptr);
}

json::value digest_or_null(const proto::ModelReport& model) {
    if (!model.has_digest()) return nullptr;
    return json::value(fmt::format("{:016x}", model.digest()));
}

json::object model_of(const JobEntry& entry, const proto::ModelReport& model) {
    return {{"id", entry.job.name() + "/" + model.model()},
            {"name", model.model()},
            {"job-id", entry.master.id().to_string()},
            {"state", "LOADED"},
            {"version", model.version()},
            {"rows-learned", model.rows_learned()},
            {"rows-skipped", model.rows_skipped()},
            {"bytes", model.bytes()},
            {"digest", digest_or_null(model)},
            {"quality",
             {{"logloss", number_or_null(model.has_logloss(), model.logloss())},
              {"logloss-baseline",
               number_or_null(model.has_logloss_baseline(), model.logloss_baseline())},
              {"auc", number_or_null(model.has_auc(), model.auc())},
              {"calibration", number_or_null(model.has_calibration(), model.calibration())},
              {"normalized-entropy",
               number_or_null(model.has_normalized_entropy(), model.normalized_entropy())},
              {"window-rows", model.window_rows()}}}};
}

json::array models_of(const JobEntry& entry) {
    json::array models;
    for (const auto& [name, model] : entry.models) models.push_back(model_of(entry, model));
    return models;
}

}  // namespace

std::string quoted(std::string_view text) { return text_of(json::value(text)); }

std::string config_json(std::string_view version) {
    return text_of(json::object{{"refresh-interval", 3000},
                                {"timezone-name", "UTC"},
                                {"timezone-offset", 0},
                                {"flink-version", "2.0.0"},
                                {"flink-revision", version},
                                {"features",
                                 {{"web-submit", true},
                                  {"web-cancel", true},
                                  {"web-rescale", false},
                                  {"web-history", false}}}});
}

std::string overview_json(const JobManager& jobmanager, std::string_view version) {
    std::int64_t running = 0;
    std::int64_t finished = 0;
    std::int64_t cancelled = 0;
    std::int64_t failed = 0;
    for (const auto& [number, entry] : jobmanager.jobs()) {
        const JobState state = entry->master.state();
        running += is_final(state) ? 0 : 1;
        finished += state == JobState::kFinished ? 1 : 0;
        cancelled += state == JobState::kCanceled ? 1 : 0;
        failed += state == JobState::kFailed ? 1 : 0;
    }
    return text_of(json::object{{"taskmanagers", jobmanager.taskmanagers().all().size()},
                                {"slots-total", jobmanager.taskmanagers().slots_total()},
                                {"slots-available", jobmanager.taskmanagers().slots_free()},
                                {"taskmanagers-blocked", 0},
                                {"slots-free-and-blocked", 0},
                                {"jobs-running", running},
                                {"jobs-finished", finished},
                                {"jobs-cancelled", cancelled},
                                {"jobs-failed", failed},
                                {"flink-version", "2.0.0"},
                                {"flink-commit", version}});
}

std::string jobs_json(const JobManager& jobmanager) {
    json::array jobs;
    for (const auto& [number, entry] : jobmanager.jobs()) {
        jobs.push_back(
            {{"id", entry->master.id().to_string()}, {"status", to_string(entry->master.state())}});
    }
    return text_of(json::object{{"jobs", std::move(jobs)}});
}

std::string jobs_overview_json(const JobManager& jobmanager) {
    json::array jobs;
    for (const auto& [number, entry] : jobmanager.jobs()) {
        const std::int64_t end = end_ms(*entry);
        const std::int64_t until = end < 0 ? jobmanager.clock().wall_ms() : end;
        json::object tasks = counts_by_state(task_state(*entry), task_count(*entry), true);
        tasks["total"] = task_count(*entry);
        jobs.push_back({{"jid", entry->master.id().to_string()},
                        {"name", entry->job.name()},
                        {"start-time", entry->submitted_ms},
                        {"end-time", end},
                        {"duration", until - entry->submitted_ms},
                        {"state", to_string(entry->master.state())},
                        {"last-modification", entry->master.entered_ms(entry->master.state())},
                        {"tasks", std::move(tasks)}});
    }
    return text_of(json::object{{"jobs", std::move(jobs)}});
}

std::string job_json(const JobManager& jobmanager, const JobEntry& entry) {
    const std::int64_t now = jobmanager.clock().wall_ms();
    const std::int64_t end = end_ms(entry);
    json::array vertices;
    for (std::uint32_t v = 0; v < entry.master.graph().vertices.size(); ++v) {
        vertices.push_back(vertex_of(entry, v, now));
    }
    json::object timestamps{
        {"INITIALIZING", entry.submitted_ms}, {"SUSPENDED", 0}, {"RECONCILING", 0}};
    for (const JobState state : kJobStates)
        timestamps[to_string(state)] = entry.master.entered_ms(state);
    return text_of(json::object{
        {"jid", entry.master.id().to_string()},
        {"name", entry.job.name()},
        {"isStoppable", false},
        {"state", to_string(entry.master.state())},
        {"job-type", "STREAMING"},
        {"start-time", entry.submitted_ms},
        {"end-time", end},
        {"duration", (end < 0 ? now : end) - entry.submitted_ms},
        {"maxParallelism", kKeyGroups},
        {"now", now},
        {"timestamps", std::move(timestamps)},
        {"vertices", std::move(vertices)},
        {"status-counts", counts_by_state(task_state(entry), task_count(entry), false)},
        {"plan", plan_of(entry)}});
}

std::string plan_json(const JobEntry& entry) { return text_of(plan_of(entry)); }

std::string exceptions_json(const JobEntry& entry) {
    json::array entries;
    const auto& failures = entry.master.failures();
    for (auto it = failures.rbegin(); it != failures.rend(); ++it)
        entries.push_back(exception_of(*it));
    return text_of(json::object{
        {"exceptionHistory", {{"entries", std::move(entries)}, {"truncated", false}}}});
}

std::string taskmanagers_json(const JobManager& jobmanager) {
    json::array all;
    for (const auto& [id, entry] : jobmanager.taskmanagers().all())
        all.push_back(taskmanager_of(id, entry));
    return text_of(json::object{{"taskmanagers", std::move(all)}});
}

std::string taskmanager_memory_json(const TaskManagerEntry& entry) {
    json::array regions;
    for (const proto::MemoryRegion& region : entry.report.memory()) {
        regions.push_back({{"name", region.name()},
                           {"budget", region.bytes()},
                           {"used", region.used_bytes()},
                           {"reserved", region.reserved_bytes()}});
    }
    json::array pools;
    for (const proto::MemoryPoolReport& pool : entry.report.pools()) {
        pools.push_back({{"name", pool.name()},
                         {"budget", pool.bytes()},
                         {"used", pool.used_bytes()},
                         {"reserved", pool.reserved_bytes()},
                         {"in-accounts", pool.account_bytes()}});
    }
    return text_of(json::object{{"regions", std::move(regions)},
                                {"pools", std::move(pools)},
                                {"network-buffers",
                                 {{"total", entry.description.network_buffers()},
                                  {"required", entry.report.network_buffers_required()},
                                  {"used", entry.report.network_buffers_used()}}},
                                {"process-budget", entry.description.process_bytes()},
                                {"resident", entry.report.resident_bytes()}});
}

std::string models_json(const JobManager& jobmanager, std::string_view job) {
    json::array models;
    for (const auto& [number, entry] : jobmanager.jobs()) {
        if (!is_wanted(*entry, job)) continue;
        for (json::value& model : models_of(*entry)) models.push_back(std::move(model));
    }
    return text_of(json::object{{"models", std::move(models)}});
}

std::string findings_json(const JobManager& jobmanager, std::string_view job) {
    json::array findings;
    for (const auto& [number, entry] : jobmanager.jobs()) {
        if (!is_wanted(*entry, job)) continue;
        for (const auto& [key, report] : entry->reports) {
            if (report.trouble().empty()) continue;
            findings.push_back(
                {{"code", "TASK_TROUBLE"},
                 {"severity", "WARNING"},
                 {"state", "OPEN"},
                 {"subject",
                  {{"job-id", entry->master.id().to_string()},
                   {"vertex-id", entry->master.graph().vertices[key.first].id.to_string()},
                   {"subtask", key.second}}},
                 {"message", report.trouble()}});
        }
    }
    return text_of(json::object{{"findings", std::move(findings)}});
}

std::string progress_json(const JobManager& jobmanager, const JobEntry& entry) {
    json::array steps;
    const graph::JobGraph& graph = entry.master.graph();
    for (std::uint32_t v = 0; v < graph.vertices.size(); ++v) {
        json::object step{{"name", graph.vertices[v].name},
                          {"parallelism", graph.vertices[v].parallelism}};
        std::uint64_t in = 0;
        std::uint64_t out = 0;
        std::uint64_t rejected = 0;
        std::int64_t lag = 0;
        double busy = 0;
        double back_pressured = 0;
        for (const auto& [key, report] : entry.reports) {
            if (key.first != v) continue;
            in += report.records_in();
            out += rows_out(report);
            rejected += report.records_rejected();
            lag = report.pending_records() < 0 || lag < 0 ? -1 : lag + report.pending_records();
            busy = std::max(busy, report.busy_ms_per_second());
            back_pressured = std::max(back_pressured, report.back_pressured_ms_per_second());
            if (!report.trouble().empty()) step["trouble"] = report.trouble();
        }
        step["records-in"] = in;
        step["records-out"] = out;
        step["records-rejected"] = rejected;
        step["pending-records"] = lag;
        step["busy-ms-per-second-max"] = busy;
        step["back-pressured-ms-per-second-max"] = back_pressured;
        step["is-source"] = graph.operators[graph.vertices[v].operators.front()].kind ==
                            graph::OperatorKind::kSource;
        steps.push_back(std::move(step));
    }
    json::value cause = nullptr;
    if (!entry.master.failures().empty()) cause = entry.master.failures().back().cause.message;
    json::value missing = nullptr;
    if (!entry.master.missing_room().empty()) missing = entry.master.missing_room();
    return text_of(json::object{{"jid", entry.master.id().to_string()},
                                {"name", entry.job.name()},
                                {"state", to_string(entry.master.state())},
                                {"now", jobmanager.clock().wall_ms()},
                                {"attempt", static_cast<std::uint32_t>(entry.master.attempt())},
                                {"restarts", entry.master.restarts()},
                                {"last-failure", std::move(cause)},
                                {"waits-for", std::move(missing)},
                                {"steps", std::move(steps)},
                                {"models", models_of(entry)}});
}

std::string flink_errors_json(std::string_view message) {
    return text_of(json::object{{"errors", json::array{json::value(message)}}});
}

std::string problems_json(const std::vector<jobmanager::JobProblem>& problems) {
    json::array errors;
    for (const jobmanager::JobProblem& problem : problems)
        errors.push_back({{"code", problem.code},
                          {"severity", "error"},
                          {"path", problem.path},
                          {"message", problem.message},
                          {"fix", problem.fix}});
    return text_of(errors);
}

std::string problem_json(int status, std::string_view title, std::string_view detail,
                         std::string_view diagnostics_json, std::string_view code) {
    json::object problem{
        {"type", "about:blank"}, {"title", title}, {"status", status}, {"detail", detail}};
    if (!code.empty()) problem["code"] = code;
    std::string text = text_of(problem);
    text.pop_back();
    return text + ",\"errors\":" + std::string(diagnostics_json) + "}";
}

}  // namespace millrace::web
