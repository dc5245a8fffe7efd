// `order: canonical` over a real broker: the input alone decides what a model becomes.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <tuple>

#include <catch2/catch.hpp>

#include "tests/integration/click_events.h"
#include "tests/integration/cluster.h"
#include "tests/integration/job_texts.h"
#include "tests/support/kafka_client.h"

namespace millrace::integration {
namespace {

using support::KafkaClient;
using support::KafkaRecord;

constexpr std::size_t kEvents = 200'000;
constexpr std::int32_t kPartitions = 4;
constexpr std::int64_t kFirstMs = 1'700'000'000'000;
// Each partition ends with one record more, a minute behind the others, which tells that none of
// those is still to come; of these records one comes out, and the rest would have to wait for it
// to be followed. So no partition runs dry, however long a loaded machine lets one wait.
constexpr std::size_t kLearned = kEvents + 1;

// All partitions span the same minute, and partition 0 has half of the records: whoever takes as
// many from each is far ahead of it soon. Times wander, repeat and go back.
std::vector<KafkaRecord> uneven_records(const std::vector<ClickEvent>& events) {
    const std::size_t rows_of_others = kEvents / 2 / (kPartitions - 1);
    std::vector<KafkaRecord> records;
    std::vector<std::size_t> ordinals(kPartitions);
    for (std::size_t i = 0; i < kEvents; ++i) {
        const std::size_t partition = i % 2 == 0 ? 0 : 1 + i / 2 % (kPartitions - 1);
        const std::size_t rows = partition == 0 ? kEvents / 2 : rows_of_others;
        const std::size_t ordinal = ordinals[partition]++;
        const auto time = static_cast<std::int64_t>(60'000 * ordinal / rows);
        const std::int64_t wander = static_cast<std::int64_t>(i * 7919 % 13) - 6;
        records.push_back({.partition = static_cast<std::int32_t>(partition),
                           .timestamp_ms = kFirstMs + time + wander,
                           .key = events[i].impression_id,
                           .value = events[i].json()});
    }
    for (std::int32_t partition = 0; partition < kPartitions; ++partition) {
        const ClickEvent& event = events[kEvents + static_cast<std::size_t>(partition)];
        records.push_back({.partition = partition,
                           .timestamp_ms = kFirstMs + 120'000 + partition,
                           .key = event.impression_id,
                           .value = event.json()});
    }
    return records;
}

// By the running maximum of the record's time in its partition, partition, place in it: the
// records that come out.
std::vector<std::string> canonical_ids(const std::vector<KafkaRecord>& records) {
    std::vector<std::tuple<std::int64_t, std::int32_t, std::size_t>> keys;
    std::vector<std::int64_t> reached(kPartitions);
    for (std::size_t i = 0; i < records.size(); ++i) {
        std::int64_t& time = reached[static_cast<std::size_t>(records[i].partition)];
        time = std::max(time, records[i].timestamp_ms);
        keys.emplace_back(time, records[i].partition, i);
    }
    std::ranges::sort(keys);
    std::vector<std::string> ids;
    ids.reserve(keys.size());
    for (const auto& key : keys) ids.push_back(*records[std::get<2>(key)].key);
    ids.resize(kLearned);
    return ids;
}

struct Digests {
    std::string ctr;
    std::string ctr_bayes;
    bool operator==(const Digests&) const = default;
};

// Waits until both models have learned everything and are quiet.
Digests digests_of(Cluster& cluster, const std::string& job) {
    const JobProgress seen = cluster.wait_for(job, [](const JobProgress& now) {
        return std::ranges::all_of(std::array{"ctr", "ctr_bayes"}, [&](const char* name) {
            const ModelProgress model = now.model(name);
            return model.rows_learned == kLearned && !model.digest.empty();
        });
    });
    return {.ctr = seen.model("ctr").digest, .ctr_bayes = seen.model("ctr_bayes").digest};
}

std::vector<std::string> learned_ids(KafkaClient& kafka, const std::string& topic,
                                     const std::string& model) {
    const auto rows = kafka.read_at_least(topic, 2 * kLearned);
    REQUIRE(rows);
    std::vector<std::string> ids;
    for (const KafkaRecord& record : *rows) {
        const AuditRow row = read_audit_row(*record.value);
        if (row.model == model) ids.push_back(row.id);
    }
    return ids;
}

struct World {
    World() {
        records = uneven_records(click_events(kEvents + kPartitions));
        // The records' times are long past, and a broker drops what is older than a week.
        topics.clicks = support::unique_topic("ad_clicks");
        REQUIRE(kafka.create_topic(topics.clicks, kPartitions, {{"retention.ms", "-1"}}));
        REQUIRE(kafka.produce(topics.clicks, records));
    }
    // A job of its own audit topic, since a topic keeps what earlier runs wrote.
    std::string job(int parallelism, int train_parallelism) {
        topics.audit = support::unique_topic("ad_audit");
        REQUIRE(kafka.create_topic(topics.audit, 1));
        return ClickJob{.parallelism = parallelism,
                        .predict_parallelism = 4,
                        .train_parallelism = train_parallelism,
                        .bits = 16,
                        .order = "canonical",
                        .idle_after = "300s"}
            .text(topics);
    }

    KafkaClient kafka{support::kafka_brokers_or_skip()};
    ClickTopics topics{kafka, kPartitions};
    std::vector<KafkaRecord> records;
};

TEST_CASE("canonical order gives the same model bytes at any parallelism", "[integration]") {
    World world;
    Cluster cluster({.brokers = world.kafka.brokers()});
    cluster.start_taskmanager({.slots = 8});
    std::optional<Digests> first;
    for (const auto& [sources, trainers] :
         {std::pair(1, 8), {2, 8}, {4, 1}, {4, 2}, {4, 4}, {4, 8}}) {
        CAPTURE(sources, trainers);
        cluster.submit(world.job(sources, trainers));
        const Digests digests = digests_of(cluster, "ctr");
        const bool is_canonical =
            learned_ids(world.kafka, world.topics.audit, "ctr") == canonical_ids(world.records);
        REQUIRE(is_canonical);
        if (!first) first = digests;
        REQUIRE(digests == *first);
        REQUIRE(cluster.verb({"cancel", "ctr", "--wait"}).exit_code == 0);
    }
}

TEST_CASE("canonical order gives the same model bytes when a TaskManager was killed",
          "[integration]") {
    World world;
    Cluster cluster({.brokers = world.kafka.brokers()});
    cluster.start_taskmanager({.slots = 8});
    cluster.start_taskmanager({.slots = 8});
    cluster.submit(world.job(4, 4));
    const Digests undisturbed = digests_of(cluster, "ctr");
    REQUIRE(cluster.verb({"cancel", "ctr", "--wait"}).exit_code == 0);

    cluster.submit(world.job(4, 4));
    (void)cluster.wait_for(
        "ctr", [](const JobProgress& now) { return now.model("ctr").rows_learned > 0; });
    support::Process& victim = cluster.busy_taskmanager();
    victim.kill();
    REQUIRE(victim.wait());
    (void)cluster.wait_for(
        "ctr", [](const JobProgress& now) { return now.restarts == 1 && now.state == "RUNNING"; });
    REQUIRE(digests_of(cluster, "ctr") == undisturbed);
}

}  // namespace
}  // namespace millrace::integration
