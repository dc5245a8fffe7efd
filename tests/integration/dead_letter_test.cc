// Records that cannot be read go to the dead letters, with the reason, and nothing else is lost.

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

constexpr std::int32_t kPoisonPartition = 1;

std::string poisoned(std::string from, const std::string& old, const std::string& by) {
    return from.replace(from.find(old), old.size(), by);
}

// By key. What is over-long keeps only its position.
std::map<std::string, std::optional<std::string>> poison() {
    const std::string good = click_events(1, 900'000).front().json();
    return {{"truncated", good.substr(0, good.size() / 2)},
            {"not an object", "[1,2,3]"},
            {"not json", "hello"},
            {"text for a number", poisoned(good, "\"f3\":", "\"f3\":\"x\",\"g3\":")},
            {"number for a text", poisoned(good, "\"i0900000\"", "17")},
            {"not a number", poisoned(good, "\"f4\":", "\"f4\":NaN,\"g4\":")},
            {"too large for int32", poisoned(good, "\"f5\":", "\"f5\":3000000000,\"g5\":")},
            {"over-long", good + std::string(4096, ' ')},
            {"empty", ""},
            {"null", std::nullopt}};
}

// What a producer's tracing adds to each record.
std::vector<std::pair<std::string, std::string>> own_headers(const std::string& key) {
    return {{"trace", "of " + key}, {"empty", ""}, {"bytes", std::string("\0\xff", 2)}};
}

std::map<std::string, std::string> headers_of(const KafkaRecord& record) {
    return {record.headers.begin(), record.headers.end()};
}

// Key, headers and bytes are as they were; of an over-long record the place is all that is kept.
void require_dead_letter(const KafkaRecord& letter, const std::string& key,
                         const std::optional<std::string>& value, const std::string& topic) {
    auto headers = headers_of(letter);
    CAPTURE(key, headers["millrace.error.message"]);
    const bool has_bytes = key != "over-long";
    REQUIRE(letter.key == (has_bytes ? std::optional(key) : std::nullopt));
    REQUIRE(letter.value == (has_bytes ? value : std::nullopt));
    for (const auto& [name, own] : own_headers(key))
        REQUIRE((headers.contains(name) ? std::optional(headers[name]) : std::nullopt) ==
                (has_bytes ? std::optional(own) : std::nullopt));
    REQUIRE(headers["millrace.job"] == "ctr");
    REQUIRE(headers["millrace.step"] == "impressions");
    REQUIRE(headers["millrace.error.source_topic"] == topic);
    REQUIRE(headers["millrace.error.source_partition"] == std::to_string(kPoisonPartition));
    REQUIRE(!headers["millrace.error.code"].empty());
    REQUIRE(!headers["millrace.error.message"].empty());
}

TEST_CASE("records that cannot be read become dead letters and no other is lost", "[integration]") {
    KafkaClient kafka(support::kafka_brokers_or_skip());
    const ClickTopics topics(kafka, 4);
    const auto bad = poison();
    produce(kafka, topics.clicks, click_events(2'000), topics.partitions);
    std::vector<KafkaRecord> records;
    for (const auto& [key, value] : bad)
        records.push_back({.partition = kPoisonPartition,
                           .key = key,
                           .value = value,
                           .headers = own_headers(key)});
    REQUIRE(kafka.produce(topics.clicks, records));
    produce(kafka, topics.clicks, click_events(2'000, 2'000), topics.partitions);

    Cluster cluster({.brokers = kafka.brokers()});
    cluster.start_taskmanager({.slots = 16});
    cluster.submit(ClickJob{.bits = 16, .max_record_bytes = "2KiB"}.text(topics));
    const auto letters = kafka.read_at_least(topics.dead_letters, bad.size());
    REQUIRE(letters);
    REQUIRE(kafka.read_at_least(topics.predictions, 4'000));
    std::map<std::int64_t, KafkaRecord> by_offset;
    for (const KafkaRecord& letter : *letters)
        by_offset[std::stoll(headers_of(letter)["millrace.error.source_offset"])] = letter;
    // The poison lies in a row, behind the first 500 events of its partition.
    std::int64_t offset = 500;
    for (const auto& [key, value] : bad) {
        REQUIRE(by_offset.contains(offset));
        require_dead_letter(by_offset.at(offset++), key, value, topics.clicks);
    }
    const JobProgress seen = cluster.wait_for("ctr", [&](const JobProgress& now) {
        return now.step("impressions").records_rejected == static_cast<std::int64_t>(bad.size());
    });
    REQUIRE(seen.restarts == 0);
    REQUIRE(kafka.record_count(topics.predictions) == 4'000);
    REQUIRE(kafka.record_count(topics.dead_letters) == static_cast<std::int64_t>(bad.size()));
}

TEST_CASE("a job fails when more of its records are bad than it allows", "[integration]") {
    KafkaClient kafka(support::kafka_brokers_or_skip());
    const ClickTopics topics(kafka, 4);
    REQUIRE(kafka.produce_values(topics.clicks, std::vector<std::string>(2'000, "hello")));
    Cluster cluster({.brokers = kafka.brokers()});
    cluster.start_taskmanager({.slots = 16});
    cluster.submit(ClickJob{.bits = 16}.text(topics));
    const JobProgress seen =
        cluster.wait_for("ctr", [](const JobProgress& now) { return !now.last_failure.empty(); });
    REQUIRE_THAT(seen.last_failure, Catch::Matchers::Contains("stop_if_over"));
}

}  // namespace
}  // namespace millrace::integration
