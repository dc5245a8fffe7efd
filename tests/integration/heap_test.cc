// What the click job asks of the heap once it runs: decoding, features, prediction, training,
// evaluation and both ways through Kafka. Counted are the workers' calls of operator new; what a
// TaskManager does once a second, whatever the traffic, is no part of the path.

#include <cstring>

#include <catch2/catch.hpp>

#include "tests/integration/click_events.h"
#include "tests/integration/cluster.h"
#include "tests/integration/job_texts.h"
#include "tests/support/kafka_client.h"
#include "tests/support/temp_dir.h"

namespace millrace::integration {
namespace {

using support::KafkaClient;

constexpr std::size_t kEvents = 600'000;
// By then every buffer, batch and table has been used.
constexpr std::int64_t kWarm = 150'000;
constexpr std::int64_t kEnough = 550'000;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kHasOwnHeap = true;
#else
constexpr bool kHasOwnHeap = false;
#endif

std::uint64_t calls_in(const std::filesystem::path& file) {
    const std::string bytes = support::read_file(file);
    REQUIRE(bytes.size() == sizeof(std::uint64_t));
    std::uint64_t calls = 0;
    std::memcpy(&calls, bytes.data(), sizeof(calls));
    return calls;
}

std::int64_t wait_for_records(KafkaClient& kafka, const std::string& topic, std::int64_t count) {
    std::int64_t seen = 0;
    REQUIRE(support::eventually([&] {
        seen = kafka.record_count(topic).value();
        return seen >= count;
    }));
    return seen;
}

TEST_CASE("the click job allocates at most once in a hundred records", "[integration]") {
    KafkaClient kafka(support::kafka_brokers_or_skip());
    if (kHasOwnHeap) return;  // A sanitizer's heap cannot be replaced.
    const ClickTopics topics(kafka, 4);
    produce(kafka, topics.clicks, click_events(kEvents), topics.partitions);
    Cluster cluster({.brokers = kafka.brokers()});
    const support::TempDir folder;
    const auto file = folder.write("calls", std::string(sizeof(std::uint64_t), '\0'));
    cluster.start_taskmanager({.slots = 16,
                               .environment = {{"LD_PRELOAD", MILLRACE_HEAP_COUNTER},
                                               {"MILLRACE_HEAP_COUNT", file.string()}}});
    cluster.submit(ClickJob{}.text(topics));
    const std::int64_t first = wait_for_records(kafka, topics.predictions, kWarm);
    const std::uint64_t before = calls_in(file);
    REQUIRE(before > 0);  // The start did count.
    const std::int64_t last = wait_for_records(kafka, topics.predictions, kEnough);
    const std::uint64_t after = calls_in(file);
    const double share = static_cast<double>(after - before) / static_cast<double>(last - first);
    CAPTURE(first, last, before, after);
    REQUIRE(share <= .01);
}

}  // namespace
}  // namespace millrace::integration
