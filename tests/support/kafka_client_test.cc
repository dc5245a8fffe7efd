#include "tests/support/kafka_client.h"

#include <catch2/catch.hpp>

#include "tests/support/free_port.h"
#include "tests/support/process.h"

namespace millrace::support {

TEST_CASE("KafkaClient reads back what it wrote, partition by partition", "[support][kafka]") {
    KafkaClient kafka(kafka_brokers_or_skip());
    const std::string topic = unique_topic("support-round-trip");
    REQUIRE(kafka.create_topic(topic, 2));
    std::vector<KafkaRecord> written(4);
    written[0] = {.partition = 1, .key = "k", .value = "a", .headers = {{"why", "because"}}};
    written[1] = {.partition = 0, .timestamp_ms = 1'700'000'000'123, .value = "b"};
    written[2] = {.partition = 1, .value = std::nullopt};
    written[3] = {.partition = 1, .value = ""};
    REQUIRE(kafka.produce(topic, written));

    const auto read = kafka.read_all(topic);
    REQUIRE(read);
    REQUIRE(read->size() == 4);
    REQUIRE(read->at(0).value == "b");
    REQUIRE(read->at(0).timestamp_ms == 1'700'000'000'123);
    REQUIRE(read->at(1).key == "k");
    REQUIRE(read->at(1).headers == written[0].headers);
    REQUIRE(read->at(2).value == std::nullopt);
    REQUIRE(read->at(2).offset == 1);
    REQUIRE(read->at(3).value == "");
    REQUIRE(kafka.record_count(topic) == 4);
    REQUIRE(kafka.delete_topic(topic));
}

TEST_CASE("KafkaClient writes what another program reads", "[support][kafka]") {
    KafkaClient kafka(kafka_brokers_or_skip());
    const std::string topic = unique_topic("support-kcat");
    REQUIRE(kafka.create_topic(topic, 1));
    REQUIRE(kafka.produce_values(topic, {"one", "two"}));
    const auto seen = run({.argv = {"kcat", "-b", kafka.brokers(), "-C", "-t", topic, "-e", "-q"}});
    REQUIRE(seen);
    REQUIRE(seen->output == "one\ntwo\n");
    REQUIRE(kafka.delete_topic(topic));
}

TEST_CASE("KafkaClient reads an empty topic to its end", "[support][kafka]") {
    KafkaClient kafka(kafka_brokers_or_skip());
    const std::string topic = unique_topic("support-empty");
    REQUIRE(kafka.create_topic(topic, 3));
    REQUIRE(kafka.read_all(topic)->empty());
    const auto missing = kafka.read_at_least(topic, 1, std::chrono::milliseconds(50));
    REQUIRE(!missing);
    REQUIRE(missing.error().code == Code::kDeadlineExceeded);
    REQUIRE(kafka.delete_topic(topic));
}

TEST_CASE("KafkaClient says which topic is missing or there already", "[support][kafka]") {
    KafkaClient kafka(kafka_brokers_or_skip());
    const std::string topic = unique_topic("support-twice");
    REQUIRE(kafka.watermarks(topic).error().code == Code::kNotFound);
    REQUIRE(kafka.delete_topic(topic).error().code == Code::kNotFound);
    REQUIRE(kafka.create_topic(topic, 1, {{"max.message.bytes", "2000000"}}));
    REQUIRE(kafka.create_topic(topic, 1).error().code == Code::kAlreadyExists);
    REQUIRE(kafka.produce_values(topic, {std::string(1'500'000, 'x')}));
    REQUIRE(!kafka.produce_values(topic, {std::string(2'500'000, 'x')}));
    REQUIRE(kafka.record_count(topic) == 1);
    REQUIRE(kafka.delete_topic(topic));
}

}  // namespace millrace::support
