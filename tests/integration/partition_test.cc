// Topics whose partitions are anything but equal.

#include <set>

#include <catch2/catch.hpp>

#include "tests/integration/click_events.h"
#include "tests/integration/cluster.h"
#include "tests/integration/job_texts.h"
#include "tests/support/kafka_client.h"

namespace millrace::integration {
namespace {

using support::KafkaClient;
using support::KafkaRecord;

// Partition 0 gets nothing, 1 and 2 a little, 3 the rest.
std::vector<KafkaRecord> skewed(const std::vector<ClickEvent>& events) {
    std::vector<KafkaRecord> records;
    for (std::size_t i = 0; i < events.size(); ++i) {
        records.push_back({.partition = i % 50 == 0 ? 1 + static_cast<std::int32_t>(i / 50 % 2) : 3,
                           .key = events[i].impression_id,
                           .value = events[i].json()});
    }
    return records;
}

TEST_CASE("a busy partition and an empty one lose no event", "[integration]") {
    const std::string order = GENERATE("arrival", "canonical");
    CAPTURE(order);
    KafkaClient kafka(support::kafka_brokers_or_skip());
    const ClickTopics topics(kafka, 4);
    const auto events = click_events(10'000);
    REQUIRE(kafka.produce(topics.clicks, skewed(events)));
    Cluster cluster({.brokers = kafka.brokers()});
    cluster.start_taskmanager({.slots = 16});
    cluster.submit(ClickJob{.bits = 16, .order = order, .idle_after = "1s"}.text(topics));
    const auto predictions = kafka.read_at_least(topics.predictions, events.size());
    REQUIRE(predictions);
    std::set<std::string> ids;
    for (const KafkaRecord& record : *predictions)
        ids.insert(read_prediction(record.value.value()).impression_id);
    REQUIRE(predictions->size() == events.size());
    REQUIRE(ids.size() == events.size());
    // Learning goes on although the empty partition never says anything.
    const auto audit = kafka.read_at_least(topics.audit, 2 * events.size());
    REQUIRE(audit);
    REQUIRE(audit->size() == 2 * events.size());
}

}  // namespace
}  // namespace millrace::integration
