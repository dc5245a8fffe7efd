#include "runtime/web/process_api.h"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

namespace millrace::web {
namespace {

namespace json = boost::json;
using Catch::Contains;

struct ApiWorld {
    metrics::Registry registry;
    metrics::MetricGroup group{registry, {{"host", "here"}}};
    bool is_registered = true;
    ProcessApi api{registry, "1.2.3", [this] {
                       return std::vector<HealthCheck>{
                           {.name = "memory"},
                           {.name = "registration",
                            .is_ready = is_registered,
                            .message = is_registered ? "" : "nobody took it"}};
                   }};
};

TEST_CASE("A process that has all it needs is live, ready and healthy", "[web][process_api]") {
    const ApiWorld world;
    REQUIRE(world.api.get("/health/live").status == 200);
    REQUIRE(world.api.get("/health/ready").status == 200);
    const json::value health = json::parse(world.api.get("/health").body);
    REQUIRE(health.at("status") == "ok");
    REQUIRE(health.at("checks").as_array().size() == 2);
    REQUIRE(json::parse(world.api.get("/version").body).at("version") == "1.2.3");
}

TEST_CASE("A process that lacks something is live and says what it lacks", "[web][process_api]") {
    ApiWorld world;
    world.is_registered = false;
    REQUIRE(world.api.get("/health/live").status == 200);
    const net::HttpResponse ready = world.api.get("/health/ready");
    REQUIRE(ready.status == 503);
    REQUIRE(ready.body == "registration: nobody took it\n");
    const json::value health = json::parse(world.api.get("/health").body);
    REQUIRE(health.at("status") == "failed");
    REQUIRE(health.at("checks").at(0).at("status") == "ok");
    REQUIRE(health.at("checks").at(1).at("status") == "failed");
    REQUIRE(health.at("checks").at(1).at("message") == "nobody took it");
}

TEST_CASE("Metrics are Prometheus text", "[web][process_api]") {
    ApiWorld world;
    world.group.gauge("millrace_memory_resident_bytes", "Resident set of the process.").set(7);
    const net::HttpResponse metrics = world.api.get("/metrics");
    REQUIRE(metrics.status == 200);
    REQUIRE(metrics.content_type == "text/plain; version=0.0.4");
    REQUIRE_THAT(metrics.body, Contains("millrace_memory_resident_bytes{host=\"here\"} 7"));
}

TEST_CASE("A process without REST refuses other paths and methods", "[web][process_api]") {
    const ApiWorld world;
    const auto status_of = [&](const std::string& method, const std::string& path) {
        net::HttpRequest request;
        request.method = method;
        request.path = path;
        int status = 0;
        world.api.handle(request, net::HttpResponder([&](const net::HttpResponse& response) {
                             status = response.status;
                         }));
        return status;
    };
    REQUIRE(status_of("GET", "/health") == 200);
    REQUIRE(status_of("HEAD", "/metrics") == 200);
    REQUIRE(status_of("POST", "/metrics") == 405);
    REQUIRE(status_of("GET", "/jobs") == 404);
    REQUIRE(status_of("GET", "/") == 404);
}

}  // namespace
}  // namespace millrace::web
