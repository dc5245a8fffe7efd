#include "operators/kafka/kafka_settings.h"

#include <array>

#include <catch2/catch.hpp>

#include "operators/kafka/cluster_health.h"
#include "operators/kafka/kafka_errors.h"
#include "operators/kafka/partitioner.h"
#include "tests/support/manual_clock.h"

namespace millrace::operators {
namespace {

KafkaSettings settings(KafkaRole role, KafkaProperties connection, KafkaProperties node) {
    return {.connection = {.name = "main", .brokers = "h:1", .properties = std::move(connection)},
            .role = role,
            .group = "g",
            .node_properties = std::move(node)};
}

std::string value(const KafkaConf& conf, const char* name) {
    std::array<char, 256> text{};
    std::size_t size = text.size();
    REQUIRE(rd_kafka_conf_get(conf.get(), name, text.data(), &size) == RD_KAFKA_CONF_OK);
    return text.data();
}

std::string statistics(std::string_view first, std::string_view second) {
    return fmt::format(
        R"({{ "brokers":{{ "a:1/1": {{ "state":"{}" }} , "a:1/2": {{ "state":"{}" }} }}, )"
        R"("topics":{{}}, "cgrp": {{ "state":"wait-coord" }} }})",
        first, second);
}

}  // namespace

TEST_CASE("A Kafka client has the settings that its promises need", "[operators][kafka_settings]") {
    const auto source = make_conf(settings(KafkaRole::kSource, {}, {}));
    REQUIRE(source);
    CHECK(value(*source, "auto.offset.reset") == "error");
    CHECK(value(*source, "enable.auto.commit") == "false");
    CHECK(value(*source, "isolation.level") == "read_committed");
    CHECK(value(*source, "check.crcs") == "true");
    CHECK(value(*source, "allow.auto.create.topics") == "false");
    CHECK(value(*source, "enable.partition.eof") == "true");
    CHECK(value(*source, "fetch.max.bytes") == "8388608");
    const auto sink = make_conf(settings(KafkaRole::kSink, {}, {}));
    REQUIRE(sink);
    CHECK(value(*sink, "enable.idempotence") == "true");
    CHECK(value(*sink, "acks") == "-1");  // all
    CHECK(value(*sink, "compression.codec") == "lz4");
    CHECK(value(*sink, "queue.buffering.max.kbytes") == "32768");
    CHECK(value(*sink, "socket.nagle.disable") == "true");
    CHECK(value(*sink, "reconnect.backoff.max.ms") == "1000");
}

TEST_CASE("A property makes a queue smaller than its memory allows, not larger",
          "[operators][kafka_settings]") {
    // 64 MiB: 8 for one more answer, half of the rest for payloads: 28 MiB.
    const auto [name, most] = GENERATE(table<std::string, int>({
        {"queued.max.messages.kbytes", 28'672},
        {"queued.min.messages", 57'344},
        {"fetch.max.bytes", 8'388'608},
    }));
    CAPTURE(name);
    REQUIRE(make_conf(settings(KafkaRole::kSource, {}, {{name, std::to_string(most)}})));
    const auto refused =
        make_conf(settings(KafkaRole::kSource, {}, {{name, std::to_string(most + 1)}}));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::kInvalidOption);
    CHECK_THAT(refused.error().message,
               Catch::Contains(name) && Catch::Contains("allows " + std::to_string(most)));
}

TEST_CASE("A Kafka property comes from the node, else the connection, else the default",
          "[operators][kafka_settings]") {
    const auto conf = make_conf(settings(
        KafkaRole::kSink, {{"linger.ms", "7"}, {"batch.size", "5000"}}, {{"linger.ms", "9"}}));
    REQUIRE(conf);
    CHECK(value(*conf, "linger.ms") == "9");
    CHECK(value(*conf, "batch.size") == "5000");
}

TEST_CASE("A Kafka property that cannot be used is refused by name",
          "[operators][kafka_settings]") {
    const auto refused = [](const KafkaSettings& wanted, Code code, const std::string& text) {
        const auto conf = make_conf(wanted);
        REQUIRE_FALSE(conf);
        CHECK(conf.error().code == code);
        CHECK_THAT(conf.error().message, Catch::Contains(text));
    };
    refused(settings(KafkaRole::kSource, {{"no.such.key", "1"}}, {}), Code::kInvalidOption,
            "no.such.key");
    refused(settings(KafkaRole::kSource, {{"fetch.min.bytes", "many"}}, {}), Code::kInvalidOption,
            "fetch.min.bytes");
    refused(settings(KafkaRole::kSource, {{"check.crcs", "false"}}, {}), Code::kInvalidOption,
            "check.crcs is set by Millrace");
    for (const char* name : {"bootstrap.servers", "metadata.broker.list", "group.id"}) {
        refused(settings(KafkaRole::kSource, {{name, "x"}}, {}), Code::kInvalidOption,
                std::string(name) + " cannot be set. Hint: write it as `");
        refused(settings(KafkaRole::kSink, {{name, "x"}}, {}), Code::kInvalidOption, name);
    }
    refused(settings(KafkaRole::kSink, {}, {{"plugin.library.paths", "x.so"}}),
            Code::kPermissionDenied, "may not set the Kafka property plugin.library.paths");
    refused(settings(KafkaRole::kSource, {}, {{"linger.ms", "1"}}), Code::kPermissionDenied,
            "Hint: allowed here are fetch.max.bytes");
}

TEST_CASE("Fetch queues of all readers fit into the budget, one answer included",
          "[operators][kafka_settings]") {
    const std::size_t readers = GENERATE(1, 2, 4, 16);
    const std::size_t bytes = GENERATE(std::size_t{1} << 20, std::size_t{64} << 20);
    const FetchQueueLimits limits = fetch_queue_limits({.consumer_bytes = bytes}, readers);
    const std::size_t queues =
        readers * (limits.kilobytes * 1024 + limits.records * kFetchedRecordOverheadBytes);
    CHECK(queues + std::min(kFetchBytesMax, bytes / 2) <= bytes);
    CHECK(limits.records > 0);
}

TEST_CASE("A trouble stays until every wanted broker is up again", "[operators][cluster_health]") {
    const millrace::test::ManualClock clock;
    ClusterHealth health("main", "a:1", clock);
    CHECK(health.trouble().empty());
    health.on_error(RD_KAFKA_RESP_ERR__TRANSPORT, "a:1/2: Connect to a:1 failed: refused");
    health.on_error(RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "2/2 brokers are down");
    CHECK_THAT(health.trouble(), Catch::Contains("Connect to a:1 failed"));
    health.on_statistics(statistics("UP", "DOWN"));
    CHECK_FALSE(health.trouble().empty());
    health.on_statistics(statistics("INIT", "INIT"));
    CHECK_FALSE(health.trouble().empty());
    health.on_statistics(statistics("UP", "INIT"));
    CHECK(health.trouble().empty());
    // Brokers close connections that are not used.
    health.on_error(RD_KAFKA_RESP_ERR__TRANSPORT, "a:1/2: Disconnected (after 600s in state UP)");
    CHECK(health.trouble().empty());
}

TEST_CASE("A trouble tells the cause, not how often and how long it was met",
          "[operators][cluster_health]") {
    const millrace::test::ManualClock clock;
    ClusterHealth health("main", "a:1", clock);
    health.on_error(RD_KAFKA_RESP_ERR__TRANSPORT,
                    "a:1/2: Connect to a:1 failed: Connection refused "
                    "(after 0ms in state CONNECT, 3 identical "
                    "error(s) suppressed)");
    const std::string first = health.trouble();
    CHECK_THAT(first, Catch::Contains("Connection refused. Hint:") && Catch::Contains("--kafka"));
    health.on_error(RD_KAFKA_RESP_ERR__TRANSPORT,
                    "a:1/2: Connect to a:1 failed: Connection refused "
                    "(after 7ms in state CONNECT)");
    CHECK(health.trouble() == first);
}

TEST_CASE("A kind of log line comes once a minute, and kinds are bounded",
          "[operators][cluster_health]") {
    millrace::test::ManualClock clock;
    ClusterHealth health("main", "a:1", clock);
    CHECK(health.may_log("a"));
    CHECK_FALSE(health.may_log("a"));
    CHECK(health.may_log("b"));
    clock.advance(std::chrono::minutes(1));
    CHECK(health.may_log("a"));
    for (std::size_t i = 0; i < 2 * ClusterHealth::kLogKeysMax; ++i)
        static_cast<void>(health.may_log(std::to_string(i)));
    CHECK_FALSE(health.may_log("one more"));
    clock.advance(std::chrono::minutes(1));
    CHECK(health.may_log("one more"));
}

TEST_CASE("An unreachable advertised address is named", "[operators][kafka_errors]") {
    const Error error =
        kafka_error(RD_KAFKA_RESP_ERR__TRANSPORT, "kafka.example:9092", "cannot ask",
                    "localhost:9092/1: Connect to ipv4#127.0.0.1:9092 failed: Connection refused");
    CHECK_THAT(error.message,
               Catch::Contains("the broker advertises localhost:9092; set advertised.listeners"));
    CHECK_THAT(kafka_error(RD_KAFKA_RESP_ERR__TRANSPORT, "x:1, localhost:9092", "cannot ask",
                           "localhost:9092/1: Connect failed")
                   .message,
               !Catch::Contains("advertises"));
    CHECK(kafka_error(RD_KAFKA_RESP_ERR__AUTHENTICATION, "", "", "").code ==
          Code::kPermissionDenied);
}

TEST_CASE("murmur2 is Kafka's", "[operators][partitioner]") {
    // The values of Kafka's own test (UtilsTest.testMurmur2).
    const auto hash = [](std::string_view text) {
        return static_cast<std::int32_t>(murmur2(text));
    };
    CHECK(hash("21") == -973932308);
    CHECK(hash("foobar") == -790332482);
    CHECK(hash("a-little-bit-long-string") == -985981536);
    CHECK(hash("a-little-bit-longer-string") == -1486304829);
    CHECK(hash("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8") == -58897971);
    CHECK(hash("abc") == 479470107);
}

}  // namespace millrace::operators
