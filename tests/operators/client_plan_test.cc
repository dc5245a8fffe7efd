#include "operators/kafka/client_plan.h"

#include <catch2/catch.hpp>

#include "proto/job.pb.h"

namespace millrace::operators {
namespace {

using Catch::Contains;

constexpr std::size_t kMiB = std::size_t{1} << 20;

proto::Source& add_source(proto::Job& job, const std::string& name, int parallelism) {
    proto::Source& source = *job.add_sources();
    source.set_name(name);
    source.set_parallelism(parallelism);
    source.mutable_kafka()->set_topic(name);
    return source;
}

proto::Sink& add_sink(proto::Job& job, const std::string& name) {
    proto::Sink& sink = *job.add_sinks();
    sink.set_name(name);
    sink.mutable_kafka()->set_topic(name);
    return sink;
}

proto::Job two_of_each() {
    proto::Job job;
    job.set_name("j");
    add_source(job, "clicks", 3);
    add_source(job, "views", 2);
    add_sink(job, "out");
    add_sink(job, "bad");
    return job;
}

std::vector<PlannedClient> plan(const proto::Job& job) {
    return plan_clients(job, [](std::string_view) { return true; });
}

std::vector<PlannedClient> clients(std::size_t consumers, std::size_t producers) {
    std::vector<PlannedClient> made(consumers, {.role = KafkaRole::kSource});
    made.resize(consumers + producers, {.role = KafkaRole::kSink});
    return made;
}

TEST_CASE("Nodes of one direction share a client unless something sets them apart",
          "[operators][client_plan]") {
    proto::Job job = two_of_each();
    const auto shared = plan(job);
    REQUIRE(shared.size() == 2);
    CHECK(shared[0].nodes == std::vector<std::string>{"clicks", "views"});
    CHECK(shared[0].readers == 5);
    CHECK(readers_beside(job, job.sources(0)) == 5);
    CHECK(shared[1].nodes == std::vector<std::string>{"out", "bad"});
    SECTION("a group") {
        job.mutable_sources(1)->mutable_kafka()->set_group("other");
        REQUIRE(plan(job).size() == 3);
        CHECK(readers_beside(job, job.sources(0)) == 3);
    }
    SECTION("a property") {
        proto::Property& property = *job.mutable_sinks(1)->mutable_kafka()->add_properties();
        property.set_name("linger.ms");
        property.set_value("1");
        REQUIRE(plan(job).size() == 3);
    }
    SECTION("a cluster, but not the one that is meant anyway") {
        job.mutable_sinks(1)->mutable_kafka()->set_cluster("default");
        REQUIRE(plan(job).size() == 2);
        job.mutable_sinks(1)->mutable_kafka()->set_cluster("far");
        REQUIRE(plan(job).size() == 3);
    }
    SECTION("the only cluster that the file writes") {
        job.mutable_kafka()->add_clusters()->set_name("mine");
        job.mutable_sinks(1)->mutable_kafka()->set_cluster("mine");
        REQUIRE(plan(job).size() == 2);
    }
}

TEST_CASE("Only nodes that are here count, and only those of Kafka", "[operators][client_plan]") {
    proto::Job job = two_of_each();
    job.mutable_sinks(1)->mutable_discard();
    const auto here = plan_clients(job, [](std::string_view node) { return node != "clicks"; });
    REQUIRE(here.size() == 2);
    CHECK(here[0].readers == 2);
    CHECK(here[1].nodes == std::vector<std::string>{"out"});
}

TEST_CASE("Clients get 64 and 32 MiB where there is room for all", "[operators][client_plan]") {
    const auto usual = fit_clients(clients(1, 1), 96 * kMiB);
    REQUIRE(usual);
    CHECK(usual->consumer_bytes == 64 * kMiB);
    CHECK(usual->producer_bytes == 32 * kMiB);
}

TEST_CASE("Where there is less room, clients share all of it and never more",
          "[operators][client_plan]") {
    const std::size_t room = GENERATE(24, 25, 40, 60, 95) * kMiB;
    CAPTURE(room);
    const auto fitted = fit_clients(clients(1, 1), room);
    REQUIRE(fitted);
    CHECK(fitted->consumer_bytes >= 16 * kMiB);
    CHECK(fitted->producer_bytes >= 8 * kMiB);
    CHECK(bytes_of(clients(1, 1), *fitted) <= room);
    CHECK(bytes_of(clients(1, 1), *fitted) + 16 > room);
}

TEST_CASE("Clients that do not fit are refused by one byte, with the numbers and the key",
          "[operators][client_plan]") {
    REQUIRE(fit_clients(clients(2, 1), 40 * kMiB));
    const auto refused = fit_clients(clients(2, 1), 40 * kMiB - 1);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::kResourceExhausted);
    CHECK_THAT(refused.error().message, Contains("2 Kafka consumers and 1 producers need 40 MiB") &&
                                            Contains("39.99 MiB are free") &&
                                            Contains("taskmanager.memory.task.size"));
}

TEST_CASE("A job without Kafka needs nothing of the task region", "[operators][client_plan]") {
    REQUIRE(fit_clients({}, 0));
    REQUIRE(bytes_of({}, KafkaMemory{}) == 0);
}

void set_property(google::protobuf::RepeatedPtrField<proto::Property>& all, const char* name,
                  const char* value) {
    proto::Property& property = *all.Add();
    property.set_name(name);
    property.set_value(value);
}

TEST_CASE("Properties may not ask for longer queues than a client gets",
          "[operators][client_plan]") {
    proto::Job job = two_of_each();
    REQUIRE(check_properties(plan(job), {}));
    auto& source = *job.mutable_sources(1)->mutable_kafka();
    // A client of 64 MiB sets 8 aside for an answer; half of the rest is for the bytes of records,
    // divided among its two readers: 14 MiB, 14,336 KiB.
    SECTION("up to the last kilobyte of the reader's share") {
        set_property(*source.mutable_properties(), "queued.max.messages.kbytes", "14336");
        REQUIRE(check_properties(plan(job), {}));
    }
    SECTION("not one more, in the node's name") {
        set_property(*source.mutable_properties(), "queued.max.messages.kbytes", "14337");
        const Status refused = check_properties(plan(job), {});
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == Code::kInvalidOption);
        CHECK_THAT(refused.error().message,
                   Catch::StartsWith("views: ") &&
                       Contains("queued.max.messages.kbytes is 14337, and the memory of this "
                                "client allows 14336"));
    }
    SECTION("nor by the connection") {
        proto::KafkaCluster& cluster = *job.mutable_kafka()->add_clusters();
        cluster.set_name("only");
        set_property(*cluster.mutable_properties(), "queue.buffering.max.kbytes", "32769");
        const Status refused = check_properties(plan(job), {});
        REQUIRE_FALSE(refused);
        CHECK_THAT(refused.error().message, Catch::StartsWith("out: ") && Contains("allows 32768"));
    }
}

}  // namespace
}  // namespace millrace::operators
