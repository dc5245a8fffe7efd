// The world that Kafka connectors are tested in: an embedded broker, a plain client beside it, a
// thread for what may block, and a bell that tests wait on.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "bell.h"
#include "blocking_thread.h"
#include "operator_world.h"
#include "operators/kafka/embedded_broker.h"
#include "operators/kafka/kafka_client.h"
#include "operators/operator.h"
#include "runtime/base/clock.h"

namespace millrace::operators::test {

struct Sent {
    std::int32_t partition = 0;
    std::string value;
    std::optional<std::string> key = std::nullopt;
    std::int64_t timestamp_ms = 1'700'000'000'000;
    std::vector<std::pair<std::string, std::optional<std::string>>> headers = {};
};

struct Received {
    std::int32_t partition = 0;
    std::int64_t offset = 0;
    std::string value;
    std::optional<std::string> key;
    std::int64_t timestamp_ms = 0;
    std::map<std::string, std::string> headers;
};

// Writes with a plain librdkafka client, waits for the acknowledgement of all.
void produce(const std::string& brokers, const std::string& topic,
             const std::vector<Sent>& records);

// Reads `count` records of a topic with a plain librdkafka client, partitions 0 to partitions - 1
// from the beginning, in the order of arrival.
std::vector<Received> consume(const std::string& brokers, const std::string& topic, int partitions,
                              std::size_t count);

// Sends a record batch with these payloads whose checksum is wrong, as no good client does.
void produce_damaged(const std::string& address, const std::string& topic, std::int32_t partition,
                     const std::vector<std::string>& values);

struct KafkaWorld {
    explicit KafkaWorld(int brokers = 1);

    KafkaConnection connection() const {
        return {.name = "main",
                .brokers = broker->address(),
                .properties = {{"fetch.wait.max.ms", "10"},
                               {"topic.metadata.refresh.interval.ms", "100"},
                               {"topic.metadata.propagation.max.ms", "200"}}};
    }

    std::unique_ptr<EmbeddedBroker> broker;
    SystemClock clock;
    Bell bell;
    BlockingThread blocking;
};

}  // namespace millrace::operators::test
