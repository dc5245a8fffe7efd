#include "operators/kafka/kafka_directory.h"

#include <catch2/catch.hpp>

#include "kafka_world.h"

namespace millrace::operators {
namespace {

using test::KafkaWorld;

std::unique_ptr<KafkaDirectory> directory(KafkaWorld& world, KafkaConnection connection) {
    auto opened = KafkaDirectory::open(std::move(connection), "millrace-test", world.clock,
                                       std::chrono::seconds(5));
    REQUIRE(opened);
    return *std::move(opened);
}

void commit(KafkaWorld& world, std::int32_t partition, std::int64_t offset) {
    auto client = KafkaClient::start({.connection = world.connection(), .group = "millrace-test"},
                                     world.clock, world.blocking.submit());
    REQUIRE(client);
    const KafkaPartitions list(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(list.get(), "clicks", partition)->offset = offset;
    REQUIRE(rd_kafka_commit((*client)->handle(), list.get(), 0) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

}  // namespace

TEST_CASE("KafkaDirectory names topics, partitions and marks", "[operators][kafka]") {
    KafkaWorld world;
    REQUIRE(world.broker->create_topic("clicks", 2));
    test::produce(world.broker->address(), "clicks", {{0, "a"}, {0, "b"}, {1, "c"}});
    const auto known = directory(world, world.connection());
    const auto topics = known->topics();
    REQUIRE(topics);
    REQUIRE(topics->size() == 1);
    CHECK(topics->front().name == "clicks");
    CHECK(topics->front().partitions == 2);
    CHECK(known->partitions("clicks") == 2);
    const auto marks = known->marks("clicks");
    REQUIRE(marks);
    CHECK((*marks)[0].low == 0);
    CHECK((*marks)[0].high == 2);
    CHECK((*marks)[1].high == 1);
}

TEST_CASE("KafkaDirectory says which properties do not go together, and what to do",
          "[operators][kafka]") {
    KafkaWorld world;
    KafkaConnection connection = world.connection();
    connection.name = "main";
    connection.properties = {{"security.protocol", "SASL_PLAINTEXT"}, {"sasl.mechanism", "PLAIN"}};
    const auto refused =
        KafkaDirectory::open(std::move(connection), "", world.clock, std::chrono::seconds(5));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::kInvalidOption);
    CHECK_THAT(refused.error().message,
               Catch::Contains("cannot set up a client of Kafka cluster main: ") &&
                   Catch::Contains("sasl.username") && Catch::EndsWith("correct its `properties`"));
}

TEST_CASE("KafkaDirectory turns a start into offsets", "[operators][kafka]") {
    KafkaWorld world;
    REQUIRE(world.broker->create_topic("clicks", 2));
    test::produce(world.broker->address(), "clicks", {{0, "a"}, {0, "b"}, {1, "c"}});
    commit(world, 0, 1);
    const auto known = directory(world, world.connection());
    using Offsets = std::vector<std::int64_t>;
    const auto start = [&](StartRule::At at) { return known->start_offsets("clicks", {.at = at}); };
    CHECK(start(StartRule::At::kEarliest) == Offsets{0, 0});
    CHECK(start(StartRule::At::kLatest) == Offsets{2, 1});
    // Partition 1 has no committed offset.
    CHECK(start(StartRule::At::kCommittedOrLatest) == Offsets{1, 1});
}

TEST_CASE("KafkaDirectory says that a topic is missing", "[operators][kafka]") {
    KafkaWorld world;
    REQUIRE(world.broker->create_topic("clicks", 1));
    world.broker->set_topic_error("clicks", 3);  // UNKNOWN_TOPIC_OR_PART
    const auto missing = directory(world, world.connection())->partitions("clicks");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == Code::kNotFound);
    CHECK_THAT(missing.error().message,
               Catch::Contains("cannot use topic clicks") && Catch::Contains("Hint: create it"));
}

TEST_CASE("KafkaDirectory says why a broker cannot be asked", "[operators][kafka]") {
    KafkaWorld world;
    SECTION("nobody listens at the address") {
        const std::string address = world.broker->address();
        world.broker->set_down(1);
        const auto asked = directory(world, {.name = "main", .brokers = address})->topics();
        REQUIRE_FALSE(asked);
        CHECK(asked.error().code == Code::kUnavailable);
        CHECK_THAT(asked.error().message, Catch::Contains("Kafka cluster main at " + address) &&
                                              Catch::Contains("Connection refused"));
    }
    SECTION("the name does not exist") {
        const auto asked =
            directory(world, {.name = "main", .brokers = "no-such-host.invalid:9092"})->topics();
        REQUIRE_FALSE(asked);
        CHECK_THAT(asked.error().message, Catch::Contains("no-such-host.invalid:9092") &&
                                              Catch::Contains("Hint: the name does not resolve"));
    }
}

}  // namespace millrace::operators
