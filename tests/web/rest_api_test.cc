#include "runtime/web/rest_api.h"

#include <set>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "tests/jobmanager/jobmanager_world.h"

namespace millrace::web {
namespace {

namespace json = boost::json;
using Catch::Contains;
using jobmanager::JobState;
using jobmanager::TaskManagerDouble;
using Keys = std::set<std::string>;

// A document is the name of a job of one subtask; one that starts with `!` is not valid.
DocumentOutcome read_document(const std::string& document) {
    if (document.starts_with('!')) {
        return {.diagnostics_json = R"([{"code":"E012","message":"no such key"}])"};
    }
    return {.is_valid = true, .job = jobmanager::copy_job(document, 1)};
}

struct WebWorld : jobmanager::JobManagerWorld {
    RestApi api{*jobmanager, registry, read_document, "1.2.3"};

    net::HttpResponse call(const std::string& method, const std::string& target,
                           const std::string& body = "", const std::string& accept = "",
                           const net::HttpHeaders& headers = {}) {
        net::HttpRequest request;
        request.headers = headers;
        request.method = method;
        request.path = target.substr(0, target.find('?'));
        if (request.path != target) request.query = target.substr(request.path.size() + 1);
        request.body = body;
        if (!accept.empty()) request.headers.emplace_back("Accept", accept);
        net::Mailbox<net::HttpResponse> answer;
        on_loop_do([&] {
            api.handle(request, net::HttpResponder([&](net::HttpResponse response) {
                           answer.put(std::move(response));
                       }));
        });
        return answer.take();
    }
    json::value get(const std::string& target) {
        const net::HttpResponse response = call("GET", target);
        CAPTURE(target, response.body);
        REQUIRE(response.status == 200);
        REQUIRE(response.content_type == "application/json");
        return json::parse(response.body);
    }
    // Submits over REST and runs it.
    std::string run(TaskManagerDouble& taskmanager, const std::string& name) {
        const net::HttpResponse answer = call("POST", "/jobs", name);
        REQUIRE(answer.status == 202);
        taskmanager.run_next();
        const auto id = on_loop([&] { return (*jobmanager->find(name))->master.id(); });
        REQUIRE(comes_to(id, JobState::kRunning));
        return id.to_string();
    }
};

Keys keys_of(const json::value& value) {
    Keys keys;
    for (const auto& member : value.as_object()) keys.emplace(member.key());
    return keys;
}

// Flink's lists of keys, as its REST API of version 2.0 documents them.
const Keys kIo{"read-bytes",
               "read-bytes-complete",
               "write-bytes",
               "write-bytes-complete",
               "read-records",
               "read-records-complete",
               "write-records",
               "write-records-complete",
               "accumulated-backpressured-time",
               "accumulated-idle-time",
               "accumulated-busy-time"};
const Keys kTaskStates{"CREATED",  "SCHEDULED", "DEPLOYING", "INITIALIZING", "RUNNING",
                       "FINISHED", "CANCELING", "CANCELED",  "FAILED",       "RECONCILING"};
const Keys kResources{"cpuCores",      "taskHeapMemory", "taskOffHeapMemory",
                      "managedMemory", "networkMemory",  "extendedResources"};

TEST_CASE("REST says what the cluster is", "[web]") {
    WebWorld world;
    const TaskManagerDouble a(world, "a", 3);
    REQUIRE(keys_of(world.get("/config")) == Keys{"refresh-interval", "timezone-name",
                                                  "timezone-offset", "flink-version",
                                                  "flink-revision", "features"});
    REQUIRE(keys_of(world.get("/config").at("features")) ==
            Keys{"web-submit", "web-cancel", "web-rescale", "web-history"});
    const json::value overview = world.get("/v1/overview");
    REQUIRE(keys_of(overview) == Keys{"taskmanagers", "slots-total", "slots-available",
                                      "taskmanagers-blocked", "slots-free-and-blocked",
                                      "jobs-running", "jobs-finished", "jobs-cancelled",
                                      "jobs-failed", "flink-version", "flink-commit"});
    REQUIRE(overview.at("slots-total") == 3);
    REQUIRE(overview.at("flink-version") == "2.0.0");
    REQUIRE(world.get("/version").at("version") == "1.2.3");
    REQUIRE(world.get("/health").at("status") == "ok");
}

TEST_CASE("REST lists TaskManagers with Flink's keys", "[web]") {
    WebWorld world;
    const TaskManagerDouble a(world, "a", 3);
    const json::value answer = world.get("/taskmanagers");
    REQUIRE(keys_of(answer) == Keys{"taskmanagers"});
    const json::value& entry = answer.at("taskmanagers").at(0);
    REQUIRE(keys_of(entry) == Keys{"id", "path", "dataPort", "jmxPort", "timeSinceLastHeartbeat",
                                   "slotsNumber", "freeSlots", "totalResource", "freeResource",
                                   "hardware", "memoryConfiguration", "blocked"});
    CHECK(keys_of(entry.at("totalResource")) == kResources);
    CHECK(keys_of(entry.at("freeResource")) == kResources);
    CHECK(keys_of(entry.at("hardware")) ==
          Keys{"cpuCores", "physicalMemory", "freeMemory", "managedMemory"});
    const json::value& memory = entry.at("memoryConfiguration");
    CHECK(keys_of(memory) == Keys{"frameworkHeap", "taskHeap", "frameworkOffHeap", "taskOffHeap",
                                  "networkMemory", "managedMemory", "jvmMetaspace", "jvmOverhead",
                                  "totalFlinkMemory", "totalProcessMemory"});
    // 1728 MiB less 172 MiB of overhead.
    CHECK(memory.at("totalFlinkMemory") == 1'631'584'256);
    CHECK(entry.at("totalResource").at("managedMemory") == 622);
    CHECK(entry.at("slotsNumber") == 3);
    CHECK(entry.at("jmxPort") == -1);
}

TEST_CASE("REST lists jobs with Flink's keys", "[web]") {
    WebWorld world;
    TaskManagerDouble a(world, "a", 3);
    const std::string id = world.run(a, "copy");
    const json::value jobs = world.get("/jobs");
    REQUIRE(keys_of(jobs) == Keys{"jobs"});
    REQUIRE(keys_of(jobs.at("jobs").at(0)) == Keys{"id", "status"});
    REQUIRE(jobs.at("jobs").at(0).at("id").as_string() == id);

    const json::value overview = world.get("/jobs/overview");
    const json::value& entry = overview.at("jobs").at(0);
    REQUIRE(keys_of(entry) == Keys{"jid", "name", "start-time", "end-time", "duration", "state",
                                   "last-modification", "tasks"});
    Keys lower{"total"};
    for (std::string state : kTaskStates) {
        for (char& c : state) c = static_cast<char>(std::tolower(c));
        lower.insert(state);
    }
    REQUIRE(keys_of(entry.at("tasks")) == lower);
    REQUIRE(entry.at("tasks").at("running") == 1);
    REQUIRE(entry.at("state") == "RUNNING");
    REQUIRE(entry.at("end-time") == -1);
}

TEST_CASE("REST shows one job with Flink's keys", "[web]") {
    WebWorld world;
    TaskManagerDouble a(world, "a", 3);
    const std::string id = world.run(a, "copy");
    const json::value job = world.get("/jobs/" + id);
    REQUIRE(keys_of(job) == Keys{"jid", "name", "isStoppable", "state", "job-type", "start-time",
                                 "end-time", "duration", "maxParallelism", "now", "timestamps",
                                 "vertices", "status-counts", "plan"});
    const json::value& vertex = job.at("vertices").at(0);
    REQUIRE(keys_of(vertex) == Keys{"id", "slotSharingGroupId", "name", "maxParallelism",
                                    "parallelism", "status", "start-time", "end-time", "duration",
                                    "tasks", "metrics"});
    CHECK(keys_of(vertex.at("metrics")) == kIo);
    CHECK(keys_of(vertex.at("tasks")) == kTaskStates);
    CHECK(keys_of(job.at("status-counts")) == kTaskStates);
    CHECK(keys_of(job.at("timestamps")) == Keys{"INITIALIZING", "CREATED", "RUNNING", "FAILING",
                                                "FAILED", "CANCELLING", "CANCELED", "FINISHED",
                                                "RESTARTING", "SUSPENDED", "RECONCILING"});
    CHECK(job.at("timestamps").at("RUNNING").as_int64() > 0);
    CHECK(job.at("plan").at("nodes").at(0).at("id") == vertex.at("id"));
}

TEST_CASE("REST draws the plan of a job", "[web]") {
    WebWorld world;
    const TaskManagerDouble a(world, "a", 3);
    REQUIRE(world.call("POST", "/jobs", "copy").status == 202);
    const json::value answer = world.get("/jobs/copy/plan");
    REQUIRE(keys_of(answer) == Keys{"plan"});
    const json::value& plan = answer.at("plan");
    REQUIRE(keys_of(plan) == Keys{"jid", "name", "type", "nodes"});
    const json::value& source = plan.at("nodes").at(0);
    REQUIRE(keys_of(source) == Keys{"id", "parallelism", "operator", "operator_strategy",
                                    "description", "optimizer_properties"});
    REQUIRE(source.at("id").as_string().size() == 32);
}

TEST_CASE("REST keeps what went wrong", "[web]") {
    WebWorld world;
    TaskManagerDouble a(world, "a", 3);
    REQUIRE(world.call("POST", "/jobs", "copy").status == 202);
    a.send_deployed(a.take_deploy(), "unavailable", "the broker is away");
    a.take_cancel();
    const json::value answer = world.get("/jobs/copy/exceptions");
    REQUIRE(keys_of(answer) == Keys{"exceptionHistory"});
    REQUIRE(keys_of(answer.at("exceptionHistory")) == Keys{"entries", "truncated"});
    const json::value& entry = answer.at("exceptionHistory").at("entries").at(0);
    REQUIRE(keys_of(entry) == Keys{"exceptionName", "stacktrace", "timestamp", "failureLabels",
                                   "taskName", "endpoint", "taskManagerId",
                                   "concurrentExceptions"});
    REQUIRE(entry.at("stacktrace") == "the broker is away");
    REQUIRE(world.get("/jobs/copy/progress").at("last-failure") == "the broker is away");
}

TEST_CASE("REST shows both what failed and what a job waits for", "[web]") {
    WebWorld world;
    std::optional<TaskManagerDouble> a(std::in_place, world, "a", 3);
    world.run(*a, "copy");
    REQUIRE(world.get("/jobs/copy/progress").at("waits-for").is_null());
    a.reset();
    REQUIRE(support::eventually(
        [&] { return !world.get("/jobs/copy/progress").at("waits-for").is_null(); }));
    const json::value progress = world.get("/jobs/copy/progress");
    CHECK_THAT(std::string(progress.at("waits-for").as_string()),
               Contains("no TaskManager is registered"));
    CHECK_THAT(std::string(progress.at("last-failure").as_string()), Contains("a is lost"));
    CHECK(progress.at("restarts") == 1);
    CHECK(world.get("/jobs/copy").at("vertices").at(0).at("status") == "SCHEDULED");
}

TEST_CASE("REST shows what the tasks and models of a job report", "[web]") {
    WebWorld world;
    TaskManagerDouble a(world, "a", 3);
    const std::string id = world.run(a, "copy");
    proto::ControlMessage message;
    proto::SubtaskReport& task = *message.mutable_heartbeat()->add_subtasks();
    task.set_job_id(id);
    task.set_attempt(1);
    task.set_records_in(42);
    task.set_records_out(3);
    task.set_records_written(40);
    task.set_records_rejected(5);
    task.set_trouble("no broker answers");
    proto::ModelReport& model = *message.mutable_heartbeat()->add_models();
    model.set_job_id(id);
    model.set_attempt(1);
    model.set_model("ctr");
    model.set_logloss(0.25);
    model.set_digest(0xab);
    proto::MemoryRegion& region = *message.mutable_heartbeat()->add_memory();
    region.set_name("managed");
    region.set_bytes(100);
    region.set_used_bytes(7);
    a.send(message);
    REQUIRE(support::eventually(
        [&] { return world.get("/models").at("models").as_array().size() == 1; }));

    const json::value shown = world.get("/models?job=copy").at("models").at(0);
    CHECK(shown.at("name") == "ctr");
    CHECK(shown.at("digest") == "00000000000000ab");
    CHECK(shown.at("quality").at("logloss") == 0.25);
    CHECK(shown.at("quality").at("auc").is_null());
    CHECK(world.get("/models?job=other").at("models").as_array().empty());
    const json::value finding = world.get("/findings?job=copy").at("findings").at(0);
    CHECK(finding.at("message") == "no broker answers");
    const json::value step = world.get("/jobs/copy/progress").at("steps").at(0);
    CHECK(step.at("records-in") == 42);
    CHECK(step.at("records-out") == 43);
    CHECK(step.at("records-rejected") == 5);
    CHECK(step.at("is-source") == true);
    CHECK(world.get("/taskmanagers/a/memory").at("regions").at(0).at("used") == 7);
    CHECK(world.get("/jobs/copy").at("vertices").at(0).at("metrics").at("read-records") == 42);
    CHECK(world.get("/jobs/copy").at("vertices").at(0).at("metrics").at("write-records") == 43);
}

TEST_CASE("REST takes a job, gives its document back and cancels it", "[web]") {
    WebWorld world;
    TaskManagerDouble a(world, "a", 3);
    const std::string id = world.run(a, "copy");
    const net::HttpResponse document = world.call("GET", "/jobs/copy/document");
    REQUIRE(document.content_type == "application/yaml");
    REQUIRE(document.body == "copy");
    REQUIRE(world.get("/jobs/" + id + "/status").at("status") == "RUNNING");

    const net::HttpResponse cancelled = world.call("PATCH", "/jobs/copy?mode=cancel");
    REQUIRE(cancelled.status == 202);
    REQUIRE(cancelled.body == "{}");
    a.take_cancel();
    a.send_closed(id, 1);
    REQUIRE(support::eventually(
        [&] { return world.get("/jobs/copy/status").at("status") == "CANCELED"; }));
    REQUIRE(world.call("PATCH", "/jobs/copy?mode=cancel").status == 409);
}

TEST_CASE("REST refuses a job with the status that says why, as a problem document", "[web]") {
    WebWorld world;
    const TaskManagerDouble a(world, "a", 1);
    const auto problem_of = [&](const std::string& body, int status) {
        const net::HttpResponse answer = world.call("POST", "/jobs", body);
        CAPTURE(answer.body);
        REQUIRE(answer.status == status);
        REQUIRE(answer.content_type == "application/problem+json");
        const json::value problem = json::parse(answer.body);
        // Those of RFC 9457, ours, and the name of the cause where a job was refused for one.
        Keys keys = keys_of(problem);
        keys.erase("code");
        REQUIRE(keys == Keys{"type", "title", "status", "detail", "errors"});
        REQUIRE(problem.at("status") == status);
        return problem;
    };
    SECTION("not valid: every mistake") {
        REQUIRE(problem_of("!copy", 422).at("errors").at(0).at("code") == "E012");
    }
    SECTION("too few slots: the numbers") {
        REQUIRE(world.call("POST", "/jobs", "copy").status == 202);
        const json::value problem = problem_of("second", 422);
        REQUIRE_THAT(std::string(problem.at("detail").as_string()),
                     Contains("taskmanager.numberOfTaskSlots"));
    }
    SECTION("the name is in use") {
        REQUIRE(world.call("POST", "/jobs", "copy").status == 202);
        problem_of("copy", 409);
    }
    SECTION("a topic that is not there") {
        world.on_loop_do(
            [&] { world.directory.refusal = Error{Code::kNotFound, "no topic. Hint: create it"}; });
        const json::value problem = problem_of("copy", 422);
        REQUIRE(problem.at("code") == "not_found");
        REQUIRE(problem.at("detail") == "out: no topic. Hint: create it");
        REQUIRE(problem.at("errors") == json::parse(R"([{"code":"E110","severity":"error",
            "path":"sinks.out.topic","message":"no topic","fix":"create it"}])"));
    }
    SECTION("a broker that does not answer") {
        world.on_loop_do([&] { world.directory.refusal = Error{Code::kUnavailable, "away"}; });
        REQUIRE(problem_of("copy", 503).at("code") == "unavailable");
    }
    SECTION("too large") { problem_of(std::string(kDocumentBytesMax + 1, 'x'), 413); }
}

TEST_CASE("REST changes nothing for a page of another host", "[web]") {
    WebWorld world;
    TaskManagerDouble a(world, "a", 1);
    world.run(a, "copy");
    const auto from = [&](const std::string& method, const std::string& target,
                          const std::string& origin) {
        const net::HttpHeaders headers{{"Host", "localhost:8081"}, {"Origin", origin}};
        return world.call(method, target, "other", "", headers).status;
    };
    const std::string other = GENERATE("http://evil.example", "http://localhost:8082", "null");
    REQUIRE(from("POST", "/jobs", other) == 403);
    REQUIRE(from("PATCH", "/jobs/copy?mode=cancel", other) == 403);
    REQUIRE(from("GET", "/jobs", other) == 200);
    REQUIRE(world.get("/jobs").at("jobs").as_array().size() == 1);
    REQUIRE(from("PATCH", "/jobs/copy?mode=cancel", "http://localhost:8081") == 202);
}

TEST_CASE("REST validates without starting anything", "[web]") {
    WebWorld world;
    const net::HttpResponse good = world.call("POST", "/validate", "copy");
    REQUIRE(good.status == 200);
    REQUIRE(json::parse(good.body).at("valid") == true);
    const net::HttpResponse bad = world.call("POST", "/validate", "!copy");
    REQUIRE(bad.status == 200);
    REQUIRE(json::parse(bad.body).at("valid") == false);
    REQUIRE(json::parse(bad.body).at("diagnostics").at(0).at("code") == "E012");
    REQUIRE(world.get("/jobs").at("jobs").as_array().empty());
}

TEST_CASE("REST answers faults in Flink's form, or as a problem where that is asked for", "[web]") {
    WebWorld world;
    const auto [method, target, status] = GENERATE(table<std::string, std::string, int>({
        {"GET", "/", 404},
        {"GET", "/jobz", 404},
        {"POST", "/jobz", 404},
        {"GET", "/jobs/nobody", 404},
        {"GET", "/jobs/nobody/status", 404},
        {"GET", "/jobs/nobody/vertices", 404},
        {"GET", "/metrics/more", 404},
        {"GET", "/taskmanagers/nobody/memory", 404},
        {"PATCH", "/jobs/nobody?mode=cancel", 404},
        {"PATCH", "/jobs/nobody?mode=pause", 400},
        {"POST", "/overview", 405},
        {"DELETE", "/jobs", 405},
        {"GET", "/validate", 405},
        {"PUT", "/jobs/nobody", 405},
    }));
    CAPTURE(method, target);
    const net::HttpResponse flink = world.call(method, target);
    REQUIRE(flink.status == status);
    const json::value body = json::parse(flink.body);
    REQUIRE(keys_of(body) == Keys{"errors"});
    REQUIRE(body.at("errors").as_array().size() == 1);
    REQUIRE((net::find_header(flink.headers, "Allow").empty()) == (status != 405));
    const net::HttpResponse problem =
        world.call(method, target, "", "application/problem+json, application/json");
    REQUIRE(problem.status == status);
    REQUIRE(problem.content_type == "application/problem+json");
    REQUIRE(json::parse(problem.body).at("status") == status);
}

TEST_CASE("REST serves metrics as Prometheus reads them", "[web]") {
    WebWorld world;
    const TaskManagerDouble a(world, "a", 3);
    const net::HttpResponse answer = world.call("GET", "/metrics");
    REQUIRE(answer.content_type == "text/plain; version=0.0.4");
    REQUIRE_THAT(answer.body, Contains("# TYPE flink_jobmanager_taskSlotsTotal gauge"));
    REQUIRE_THAT(answer.body, Contains("flink_jobmanager_taskSlotsTotal{host=\"127.0.0.1\"} 3"));
}

}  // namespace
}  // namespace millrace::web
