// A record batch that was damaged on the broker's disk fails the job with its place, however it was
// compressed, and nothing behind it is read.

#include <algorithm>
#include <fstream>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/integration/cluster.h"
#include "tests/integration/own_broker.h"
#include "tests/support/kafka_client.h"

namespace millrace::integration {
namespace {

using Catch::Matchers::Contains;
using support::KafkaClient;

constexpr int kBatchRecords = 10;

// Flips one byte in the middle of batch number `index` of a segment. Every batch begins with its
// base offset (8 bytes) and the length of what follows (4 bytes), big-endian.
void damage(const std::filesystem::path& segment, int index) {
    std::string bytes = support::read_file(segment);
    std::size_t begin = 0;
    const auto length = [&] {
        std::size_t value = 0;
        for (std::size_t i = 8; i < 12; ++i)
            value = value * 256 + static_cast<unsigned char>(bytes.at(begin + i));
        return value + 12;
    };
    for (int i = 0; i < index; ++i) begin += length();
    const std::size_t middle = begin + length() / 2;
    std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(middle));
    file.put(static_cast<char>(bytes.at(middle) ^ 0x55));
    file.close();
    REQUIRE(file.good());
}

std::vector<std::string> batch(int number) {
    std::vector<std::string> values;
    values.reserve(kBatchRecords);
    for (int i = 0; i < kBatchRecords; ++i)
        values.push_back(fmt::format(R"({{"name":"row {} of batch {}"}})", i, number));
    return values;
}

std::string job(const std::string& in, const std::string& out) {
    return fmt::format(
        "version: 1\nname: reader\n"
        "runtime: {{ restart: {{ backoff: 10ms..10ms, give_up_after: 1 }} }}\n"
        "schemas:\n  row: {{ name: string }}\n"
        "sources:\n  rows: {{ type: kafka, topic: {}, schema: row, start: earliest }}\n"
        "sinks:\n  out: {{ type: kafka, from: rows, topic: {} }}\n",
        in, out);
}

void require_failure_at_the_damage(const OwnBroker& broker, const std::string& compression) {
    CAPTURE(compression);
    KafkaClient kafka(broker.address());
    const std::string in = support::unique_topic("damaged");
    const std::string out = support::unique_topic("read");
    REQUIRE(kafka.create_topic(in, 1, {{"compression.type", compression}}));
    REQUIRE(kafka.create_topic(out, 1));
    for (const int number : {0, 1, 2}) REQUIRE(kafka.produce_values(in, batch(number)));
    damage(broker.segment(in), 1);

    Cluster cluster({.brokers = broker.address()});
    cluster.start_taskmanager({.slots = 1});
    cluster.submit(job(in, out));
    cluster.wait_for_state("reader", "FAILED");
    REQUIRE_THAT(cluster.progress("reader").last_failure,
                 Contains(fmt::format("topic {}, partition 0, offset {}", in, kBatchRecords)) &&
                     Contains("a record batch cannot be read"));
    const auto records = kafka.read_all(out);
    REQUIRE(records);
    // Whatever the attempts had sent when they failed, nothing comes from behind the damage.
    const std::vector<std::string> before = batch(0);
    for (const support::KafkaRecord& record : *records)
        REQUIRE(std::find(before.begin(), before.end(), record.value) != before.end());
}

TEST_CASE("a batch that was damaged on disk fails the job with topic, partition and offset",
          "[integration]") {
    OwnBroker broker;
    broker.start();
    for (const char* compression : {"uncompressed", "gzip", "snappy", "lz4", "zstd"})
        require_failure_at_the_damage(broker, compression);
}

}  // namespace
}  // namespace millrace::integration
