#include "operators/kafka/kafka_source.h"

#include <algorithm>
#include <array>

#include <catch2/catch.hpp>

#include "kafka_world.h"
#include "operator_world.h"
#include "runtime/state/memory_snapshot.h"
#include "tests/support/heap_count.h"

namespace millrace::operators {
namespace {

using test::CollectingOutput;
using test::KafkaWorld;
using test::OperatorWorld;
using test::Rejected;
using test::Sent;

// One source subtask over a world with one topic, `clicks`.
struct SourceWorld {
    explicit SourceWorld(KafkaWorld& kafka_in, BatchingOptions batching = {},
                         std::optional<Duration> idle_after = std::nullopt)
        : kafka(kafka_in),
          world(kafka.clock),
          clients({}, kafka.clock, kafka.blocking.submit()),
          source({.settings = {.connection = kafka.connection(), .group = "millrace-test"},
                  .topic = "clicks",
                  .batching = batching,
                  .idle_after = idle_after},
                 std::make_unique<test::LineDecoder>(), clients) {}
    ~SourceWorld() {
        out.batches.clear();
        source.close();
    }

    void start(const std::vector<std::int32_t>& partitions) {
        REQUIRE(source.open(world.context()));
        add(partitions);
    }
    void add(const std::vector<std::int32_t>& partitions) {
        std::vector<Split> splits;
        splits.reserve(partitions.size());
        for (const std::int32_t partition : partitions)
            splits.push_back({.index = partition,
                              .name = fmt::format("clicks/{}", partition),
                              .topic = "clicks",
                              .partition = partition});
        REQUIRE(source.add_splits(splits));
    }
    // One round of what a task does.
    Status step() {
        if (world.clock.now() >= source.next_tick()) MILLRACE_TRY(source.on_tick(out));
        while (true) {
            MILLRACE_TRY_ASSIGN(const Progress progress, source.poll(out));
            if (progress != Progress::kYield) return {};
        }
    }
    void run_until(const std::function<bool()>& done) {
        test::eventually(world.bell, [&] {
            REQUIRE(step());
            return done();
        });
    }
    Error run_until_failure() {
        Status status;
        test::eventually(world.bell, [&] {
            status = step();
            return !status.has_value();
        });
        return status.error();
    }
    std::vector<std::string> rows() {
        auto rows = out.rows();
        std::sort(rows.begin(), rows.end());
        return rows;
    }

    KafkaWorld& kafka;
    OperatorWorld world;
    KafkaClients clients;
    KafkaSource source;
    CollectingOutput out;
};

std::vector<Sent> numbered(int count, int partitions) {
    std::vector<Sent> records;
    records.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) records.push_back({i % partitions, fmt::format("r{}", i)});
    return records;
}

}  // namespace

TEST_CASE("KafkaSource emits rows with their partition, offset and timestamp",
          "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("clicks", 2));
    test::produce(kafka.broker->address(), "clicks",
                  {{0, "a", std::nullopt, 111}, {0, "b", std::nullopt, 112}, {1, "c"}});
    SourceWorld world(kafka);
    world.start({0, 1});
    world.run_until([&] { return world.out.rows().size() == 3; });
    CHECK(world.rows() == std::vector<std::string>{"0:0:a", "0:1:b", "1:0:c"});
    // The partitions' rows may come in one batch or in several, in either order.
    const data::Position first{.split = 0, .ordinal = 0, .timestamp_ms = 111};
    std::size_t found = 0;
    for (const data::BatchPtr& batch : world.out.batches) {
        for (std::size_t row = 0; row < batch->rows(); ++row) {
            if (batch->positions().at(row) == first) ++found;
        }
    }
    CHECK(found == 1);
}

TEST_CASE("KafkaSource reads the partition first whose records are the oldest",
          "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("clicks", 2));
    // Both span the same time; partition 0 has three records to one of partition 1.
    constexpr int kSparse = 4000;
    std::vector<Sent> records;
    records.reserve(4 * kSparse);
    for (int i = 0; i < 3 * kSparse; ++i)
        records.push_back({0, fmt::format("a{}", i), std::nullopt, 1 + i});
    for (int i = 0; i < kSparse; ++i)
        records.push_back({1, fmt::format("b{}", i), std::nullopt, 1 + 3 * i});
    test::produce(kafka.broker->address(), "clicks", records);
    SourceWorld world(kafka, {}, std::chrono::hours(1));
    world.start({0, 1});
    world.run_until([&] { return world.out.rows().size() == records.size(); });
    // Each may be one read ahead of the other.
    constexpr std::int64_t kReadMs = 3 * KafkaReader::kMessagesMax / 2;
    std::array<std::int64_t, 2> reached_ms{};
    for (const data::BatchPtr& batch : world.out.batches) {
        for (std::size_t row = 0; row < batch->rows(); ++row) {
            const data::Position at = batch->positions().at(row);
            const auto split = static_cast<std::size_t>(at.split);
            reached_ms[split] = at.timestamp_ms;
            REQUIRE(at.timestamp_ms <= reached_ms[1 - split] + kReadMs);
        }
    }
}

TEST_CASE("KafkaSource passes over a partition that it has read to its end", "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("clicks", 3));
    test::produce(kafka.broker->address(), "clicks", {{1, "a"}, {1, "b"}});
    SourceWorld world(kafka, {}, std::chrono::hours(1));
    world.start({0, 1});
    world.run_until([&] { return world.out.rows().size() == 2; });
    test::produce(kafka.broker->address(), "clicks", {{0, "c"}});
    world.run_until([&] { return world.out.rows().size() == 3; });
    // One that was found later takes its turn, too.
    world.add({2});
    test::produce(kafka.broker->address(), "clicks", {{2, "d"}, {1, "e"}});
    world.run_until([&] { return world.out.rows().size() == 5; });
    CHECK(world.rows() == std::vector<std::string>{"0:0:c", "1:0:a", "1:1:b", "1:2:e", "2:0:d"});
}

TEST_CASE("KafkaSource rejects bad, over-long and empty records by their position",
          "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("clicks", 1));
    test::produce(kafka.broker->address(), "clicks",
                  {{0, "a"}, {0, "bad one", "k"}, {0, std::string(101, 'x')}, {0, "b"}});
    SourceWorld world(kafka, {.record_bytes_max = 100});
    world.start({0});
    world.run_until([&] { return world.out.rows().size() == 2; });
    CHECK(world.rows() == std::vector<std::string>{"0:0:a", "0:3:b"});
    const std::int64_t time = 1'700'000'000'000;
    CHECK(world.out.rejected ==
          std::vector<Rejected>{{"bad_line", "bad one", "k", "clicks/0", {0, 1, time}},
                                {"too_long", "", "", "clicks/0", {0, 2, time}}});
}

TEST_CASE("KafkaSource rejects a bad record with its own headers, an over-long one without",
          "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("clicks", 1));
    const std::int64_t time = 1'700'000'000'000;
    Sent many{0, "bad many", std::nullopt, time};
    for (std::size_t i = 0; i < HeaderReader::kHeadersMax + 2; ++i)
        many.headers.emplace_back(fmt::format("h{}", i), "v");
    Sent large{0, "bad large", std::nullopt, time};
    large.headers = {{"large", std::string(HeaderReader::kHeaderBytesMax, 'x')}, {"small", "v"}};
    test::produce(
        kafka.broker->address(), "clicks",
        {{0, "a", "k", time, {{"trace", "good"}}},
         {0, "bad one", "k", time, {{"trace", "1"}, {"trace", "2"}, {"none", std::nullopt}}},
         {0, std::string(101, 'x'), "k", time, {{"trace", "long"}}},
         many,
         large,
         {0, "b"}});
    SourceWorld world(kafka, {.record_bytes_max = 100});
    world.start({0});
    world.run_until([&] { return world.out.rows().size() == 2; });
    using Headers = std::vector<std::pair<std::string, std::string>>;
    REQUIRE(world.out.rejected.size() == 4);
    CHECK(world.out.rejected[0].headers ==
          Headers{{"trace", "1"}, {"trace", "2"}, {"none", "(null)"}});
    CHECK(world.out.rejected[1].code == "too_long");
    CHECK(world.out.rejected[1].headers.empty());
    CHECK(world.out.rejected[2].headers.size() == HeaderReader::kHeadersMax + 1);
    CHECK(world.out.rejected[2].headers.back() ==
          std::pair<std::string, std::string>("millrace.headers_dropped", "2"));
    CHECK(world.out.rejected[3].headers ==
          Headers{{"small", "v"}, {"millrace.headers_dropped", "1"}});
}

TEST_CASE("KafkaSource goes on after a restore where its snapshot was taken",
          "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("clicks", 2));
    test::produce(kafka.broker->address(), "clicks", numbered(3000, 2));
    // A long linger, so that rows wait in the source when the snapshot is taken.
    const BatchingOptions batching{.linger = std::chrono::hours(1)};
    std::vector<std::string> rows;
    state::MemorySnapshot snapshot;
    {
        SourceWorld first(kafka, batching);
        first.start({0, 1});
        first.run_until([&] { return !first.out.batches.empty(); });
        REQUIRE(first.source.snapshot(1, snapshot));
        rows = first.out.rows();
    }
    CHECK(rows.size() >= data::kRowsMax);
    CHECK(rows.size() < 3000);
    SourceWorld second(kafka);
    REQUIRE(second.source.open(second.world.context()));
    REQUIRE(second.source.restore(snapshot));
    second.add({0, 1});
    second.run_until([&] { return rows.size() + second.out.rows().size() >= 3000; });
    for (const std::string& row : second.out.rows()) rows.push_back(row);
    std::sort(rows.begin(), rows.end());
    CHECK(rows.size() == 3000);
    CHECK(std::adjacent_find(rows.begin(), rows.end()) == rows.end());
}

TEST_CASE("KafkaSource reads partitions that are found later", "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("clicks", 2));
    test::produce(kafka.broker->address(), "clicks", {{0, "a"}, {1, "b"}});
    SourceWorld world(kafka);
    world.start({0});
    world.run_until([&] { return world.out.rows().size() == 1; });
    world.add({1});
    world.run_until([&] { return world.out.rows().size() == 2; });
    CHECK(world.rows() == std::vector<std::string>{"0:0:a", "1:0:b"});
}

TEST_CASE("KafkaSource refuses a partition that the topic does not have", "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("clicks", 1));
    SourceWorld world(kafka);
    world.start({3});
    const Error error = world.run_until_failure();
    CHECK(error.code == Code::kNotFound);
    CHECK_THAT(error.message, Catch::Contains("topic clicks has 1 partitions, but partition 3"));
}

TEST_CASE("KafkaSource fails when its topic is deleted", "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("clicks", 1));
    test::produce(kafka.broker->address(), "clicks", {{0, "a"}});
    SourceWorld world(kafka);
    world.start({0});
    world.run_until([&] { return world.out.rows().size() == 1; });
    kafka.broker->set_topic_error("clicks", 3);  // UNKNOWN_TOPIC_OR_PART
    const Error error = world.run_until_failure();
    CHECK(error.code == Code::kNotFound);
    CHECK_THAT(error.message, Catch::Contains("cannot use topic clicks") &&
                                  Catch::Contains("whether it was deleted"));
}

TEST_CASE("KafkaSource waits for brokers that are down at the start and says so",
          "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("clicks", 1));
    test::produce(kafka.broker->address(), "clicks", {{0, "a"}});
    kafka.broker->set_down(1);
    SourceWorld world(kafka);
    world.start({0});
    world.run_until([&] { return !world.source.trouble().empty(); });
    CHECK_THAT(world.source.trouble(), Catch::Contains("Connection refused"));
    kafka.broker->set_up(1);
    world.run_until([&] { return world.out.rows().size() == 1; });
}

TEST_CASE("KafkaSource shows how far it is behind", "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("clicks", 1));
    test::produce(kafka.broker->address(), "clicks", numbered(5, 1));
    SourceWorld world(kafka);
    world.start({0});
    world.run_until([&] { return world.out.rows().size() == 5; });
    const metrics::MetricGroup& shown = world.world.metrics;
    world.run_until([&] {
        return shown.value_of(
                   "flink_taskmanager_job_task_operator_KafkaSourceReader_topic_clicks_partition_"
                   "0_currentOffset") == 4.0;
    });
    CHECK(shown.value_of("flink_taskmanager_job_task_operator_pendingRecords") == 0.0);
}

TEST_CASE("KafkaSource allocates nothing for a record", "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("clicks", 1));
    const int count = 50'000;
    test::produce(kafka.broker->address(), "clicks", numbered(count, 1));
    SourceWorld world(kafka);
    world.start({0});
    world.run_until([&] { return !world.out.batches.empty(); });
    const std::uint64_t before = millrace::test::heap_allocations();
    std::size_t rows = 0;
    world.run_until([&] {
        for (const auto& batch : world.out.batches) rows += batch->rows();
        world.out.batches.clear();
        return rows >= 40'000;
    });
    CHECK(millrace::test::heap_allocations() - before < rows / 100);
}

}  // namespace millrace::operators
