// What a TaskManager's own port says of it.

#include <catch2/catch.hpp>

#include "tests/integration/cluster.h"
#include "tests/integration/job_texts.h"
#include "tests/support/eventually.h"
#include "tests/support/free_port.h"
#include "tests/support/http_client.h"

namespace millrace::integration {
namespace {

using Catch::Matchers::Contains;

int status_of(std::uint16_t port, const std::string& path) {
    const auto answer = support::http_get(port, path);
    return answer ? answer->status : 0;
}

std::string local(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

TEST_CASE("a TaskManager is live at once, and ready when it has registered", "[integration]") {
    const support::TempDir folder;
    const std::uint16_t port = support::free_port();
    const std::uint16_t control = support::free_port();
    auto taskmanager =
        support::Process::start({.argv = {MILLRACE_BINARY, "taskmanager", "--metrics", local(port),
                                          "--jobmanager", local(control)}},
                                folder.path());
    REQUIRE(taskmanager);
    REQUIRE(support::eventually([&] { return status_of(port, "/health/live") == 200; }));
    REQUIRE(status_of(port, "/health/ready") == 503);
    auto jobmanager = support::Process::start({.argv = {MILLRACE_BINARY, "jobmanager", "--control",
                                                        local(control), "--rest", "127.0.0.1:0"}},
                                              folder.path());
    REQUIRE(jobmanager);
    REQUIRE(support::eventually([&] { return status_of(port, "/health/ready") == 200; }));
    REQUIRE(status_of(port, "/jobs") == 404);
    jobmanager->kill();
    REQUIRE(support::eventually([&] { return status_of(port, "/health/ready") == 503; }));
    REQUIRE(status_of(port, "/health/live") == 200);
}

TEST_CASE("a TaskManager's metrics are those of the tasks that run in it", "[integration]") {
    const std::uint16_t port = support::free_port();
    Cluster cluster({});
    cluster.start_taskmanager(
        {.slots = 2, .settings = {"metrics.prometheus.port=" + std::to_string(port)}});
    cluster.submit(endless_job("numbers", 2));
    cluster.wait_for_state("numbers", "RUNNING");
    const auto metrics = support::http_get(port, "/metrics");
    REQUIRE(metrics);
    REQUIRE_THAT(metrics->body, Contains("millrace_memory_resident_bytes") &&
                                    Contains("flink_taskmanager_job_task_numRecordsIn") &&
                                    Contains("job_name=\"numbers\""));
    // 1728 MiB divided as the reference's table says: 622.0625 managed, 4976 buffers.
    REQUIRE_THAT(metrics->body, Contains("region=\"managed\"} 652279808") &&
                                    Contains("Status_Shuffle_Netty_TotalMemorySegments{") &&
                                    Contains("} 4976"));
    // The JobManager is another process, and has no tasks.
    const auto others = support::http_get(cluster.rest_port(), "/metrics");
    REQUIRE(others);
    REQUIRE_THAT(others->body, !Contains("flink_taskmanager_job_task"));
    REQUIRE(status_of(cluster.rest_port(), "/health/ready") == 200);
    REQUIRE(status_of(cluster.rest_port(), "/v1/health/live") == 200);
}

}  // namespace
}  // namespace millrace::integration
