// Addresses that are wrong or taken, and strangers who talk to our ports.

#include <catch2/catch.hpp>

#include "tests/integration/cluster.h"
#include "tests/integration/job_texts.h"
#include "tests/support/free_port.h"
#include "tests/support/http_client.h"

namespace millrace::integration {
namespace {

using Catch::Matchers::Contains;
using support::Finished;

constexpr int kUnavailable = 69;

std::string local(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

// One line that says what to do.
void require_refusal(const Finished& finished, std::uint16_t port) {
    CAPTURE(finished.errors);
    REQUIRE(finished.exit_code == kUnavailable);
    REQUIRE_THAT(finished.errors,
                 Contains("cannot listen on " + local(port)) && Contains("Hint: "));
    REQUIRE(std::count(finished.errors.begin(), finished.errors.end(), '\n') == 1);
}

TEST_CASE("a port that is taken is told in one line", "[integration]") {
    Cluster cluster({});
    const std::uint16_t control = cluster.control_port();
    const std::uint16_t rest = cluster.rest_port();
    require_refusal(millrace({"jobmanager", "--control", local(control), "--rest", "127.0.0.1:0"}),
                    control);
    require_refusal(millrace({"jobmanager", "--control", "127.0.0.1:0", "--rest", local(rest)}),
                    rest);
    require_refusal(
        millrace({"taskmanager", "--jobmanager", local(control), "--data", local(rest)}), rest);
}

TEST_CASE("a client says which JobManager it could not reach", "[integration]") {
    const std::string nobody = local(support::free_port());
    const Finished listed = millrace({"list", "--server", nobody});
    CAPTURE(listed.errors);
    REQUIRE(listed.exit_code == kUnavailable);
    REQUIRE_THAT(listed.errors, Contains(nobody));
}

TEST_CASE("run says which broker it could not reach", "[integration]") {
    const std::string nobody = local(support::free_port());
    const support::TempDir folder;
    const std::string job = folder
                                .write("job.yaml",
                                       "version: 1\nname: reader\n"
                                       "runtime: { restart: { give_up_after: 0 } }\n"
                                       "schemas:\n  row: { value: int64 }\n"
                                       "sources:\n  in: { type: kafka, topic: t, schema: row }\n"
                                       "sinks:\n  out: { type: print, from: in }\n")
                                .string();
    const Finished finished = millrace({"run", "--kafka", nobody, job});
    CAPTURE(finished.errors);
    REQUIRE(finished.exit_code == kUnavailable);
    REQUIRE_THAT(finished.errors, Contains("job.yaml:7:3: error: ") && Contains(nobody));
}

TEST_CASE("REST answers on loopback under the names of this machine only", "[integration]") {
    Cluster cluster({});
    const auto status_for = [&](const std::string& host) {
        const auto answer =
            support::exchange_bytes(cluster.rest_port(), "GET /overview HTTP/1.1\r\nHost: " + host +
                                                             "\r\nConnection: close\r\n\r\n");
        REQUIRE(answer);
        return answer->substr(0, 12);
    };
    const std::string port = ":" + std::to_string(cluster.rest_port());
    CHECK(status_for("localhost" + port) == "HTTP/1.1 200");
    CHECK(status_for("127.0.0.1" + port) == "HTTP/1.1 200");
    // A page's own host, whose name was made to resolve to 127.0.0.1.
    CHECK(status_for("page.example" + port) == "HTTP/1.1 403");
}

std::uint16_t data_port(Cluster& cluster) {
    const std::string address = cluster.taskmanagers().front().data_address;
    return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

TEST_CASE("strangers' bytes on any port close their connection and disturb no job",
          "[integration]") {
    using namespace std::string_literals;
    Cluster cluster({});
    support::Process& taskmanager = cluster.start_taskmanager({.slots = 2});
    cluster.submit(endless_job("bystander", 1));
    cluster.wait_for_state("bystander", "RUNNING");
    const std::vector<std::string> rubbish{
        std::string(100'000, '\xff'), std::string(100'000, '\0'),
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "POST /jobs HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        "PATCH /jobs/%00?mode=cancel&&== HTTP/1.1\r\nContent-Length: 0\r\nConnection: "
        "close\r\n\r\n",
        // With its zeros: a few bytes would be waited for until the hello is overdue.
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not a TLS hello either, of course"s};
    for (const std::uint16_t port :
         {cluster.control_port(), cluster.rest_port(), data_port(cluster)}) {
        for (const std::string& bytes : rubbish) {
            CAPTURE(port, bytes.substr(0, 60));
            // Closed by an end or by a reset, but closed.
            const auto answer = support::exchange_bytes(port, bytes);
            REQUIRE((answer || answer.error().code != Code::kDeadlineExceeded));
        }
    }
    REQUIRE(cluster.jobmanager().running());
    REQUIRE(taskmanager.running());
    const JobProgress seen = cluster.progress("bystander");
    REQUIRE(seen.state == "RUNNING");
    REQUIRE(seen.restarts == 0);
    cluster.submit(ending_job("after", 1'000));
    cluster.wait_for_state("after", "FINISHED");
}

}  // namespace
}  // namespace millrace::integration
