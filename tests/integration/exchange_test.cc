// Rows that cross from one TaskManager to another.

#include <map>

#include <catch2/catch.hpp>

#include "tests/integration/click_events.h"
#include "tests/integration/cluster.h"
#include "tests/integration/job_texts.h"
#include "tests/support/kafka_client.h"

namespace millrace::integration {
namespace {

using support::KafkaClient;
using support::KafkaRecord;

// Two TaskManagers that both must take part: each has half of the slots.
void start_halves(Cluster& cluster, int slots) {
    cluster.start_taskmanager({.slots = slots / 2});
    cluster.start_taskmanager({.slots = slots / 2});
}

TEST_CASE("rows that cross between TaskManagers arrive once", "[integration]") {
    constexpr std::size_t kEvents = 20'000;
    KafkaClient kafka(support::kafka_brokers_or_skip());
    const ClickTopics topics(kafka, 8);
    produce(kafka, topics.clicks, click_events(kEvents), topics.partitions);
    Cluster cluster({.brokers = kafka.brokers()});
    start_halves(cluster, 8);
    // Models stay in one TaskManager, so half of the sources send their rows over.
    const ClickJob job{
        .parallelism = 8, .predict_parallelism = 4, .train_parallelism = 2, .bits = 16};
    cluster.submit(job.text(topics));
    const auto predictions = kafka.read_at_least(topics.predictions, kEvents);
    REQUIRE(predictions);
    REQUIRE(cluster.free_slots() == 0);
    std::map<std::string, int> seen;
    for (const KafkaRecord& record : *predictions)
        ++seen[read_prediction(record.value.value()).impression_id];
    REQUIRE(predictions->size() == kEvents);
    REQUIRE(seen.size() == kEvents);
    const auto audit = kafka.read_at_least(topics.audit, 2 * kEvents);
    REQUIRE(audit);
    REQUIRE(audit->size() == 2 * kEvents);
    REQUIRE(cluster.progress("ctr").restarts == 0);
}

// Three subtasks filter what four read, so every batch is dealt out anew.
std::string copy_job(const ClickTopics& topics) {
    return "version: 1\nname: copy\n"
           "runtime: { parallelism: 4, on_bad_record: { stop_if_over: 100% } }\n"
           "schemas:\n  row: { value: int64 }\n"
           "sources:\n  in: { type: kafka, topic: " +
           topics.clicks +
           ", schema: row, start: earliest }\n"
           "steps:\n  kept: { type: filter, from: in, where: \"value > 0\", parallelism: 3 }\n"
           "sinks:\n  out: { type: kafka, from: kept, topic: " +
           topics.predictions +
           ", key: value }\n  bad: { type: kafka, from: errors, topic: " + topics.dead_letters +
           ", format: raw }\n";
}

TEST_CASE("a job without models spreads over TaskManagers and delivers every row once",
          "[integration]") {
    constexpr std::size_t kRows = 8'000;
    KafkaClient kafka(support::kafka_brokers_or_skip());
    const ClickTopics topics(kafka, 4);
    std::vector<KafkaRecord> records;
    records.reserve(kRows);
    for (std::size_t i = 0; i < kRows; ++i) {
        // Every fourth is bad, and reaches the one dead-letter task from both TaskManagers.
        records.push_back({.partition = static_cast<std::int32_t>(i / 4 % 4),
                           .key = std::to_string(i),
                           .value = i % 4 == 0 ? "bad" : "{\"value\":" + std::to_string(i) + "}"});
    }
    REQUIRE(kafka.produce(topics.clicks, records));
    Cluster cluster({.brokers = kafka.brokers()});
    start_halves(cluster, 4);
    cluster.submit(copy_job(topics));
    std::map<std::string, int> seen;
    for (const auto& [topic, count] : {std::pair(topics.predictions, kRows * 3 / 4),
                                       std::pair(topics.dead_letters, kRows / 4)}) {
        const auto arrived = kafka.read_at_least(topic, count);
        CAPTURE(topic);
        REQUIRE(arrived);
        REQUIRE(arrived->size() == count);
        for (const KafkaRecord& record : *arrived) ++seen[record.key.value()];
    }
    REQUIRE(seen.size() == kRows);
    REQUIRE(cluster.free_slots() == 0);
    REQUIRE(cluster.progress("copy").restarts == 0);
}

}  // namespace
}  // namespace millrace::integration
