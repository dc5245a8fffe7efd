#include "operators/kafka/kafka_reader.h"

#include <algorithm>
#include <atomic>

#include <catch2/catch.hpp>

#include "kafka_world.h"
#include "tests/support/manual_clock.h"

namespace millrace::operators {
namespace {

using test::KafkaWorld;
using test::Sent;

// Readers of one topic that share one client.
struct Readers {
    Readers(KafkaWorld& world_in, const std::string& topic_in, KafkaMemory memory = {})
        : world(world_in),
          topic(topic_in),
          clients(memory, world.clock, world.blocking.submit()),
          waker(std::make_shared<DetachableWaker>(world.bell)) {
        auto started = clients.client({.connection = world.connection(), .group = "readers"});
        REQUIRE(started);
        client = *started;
        std::optional<TopicView> view;
        Mutex mutex;
        client->learn_topic(topic, [&](TopicView answer) {
            const MutexLock lock(mutex);
            view = std::move(answer);
        });
        test::eventually(world.bell, [&] {
            const MutexLock lock(mutex);
            return view.has_value();
        });
        REQUIRE_FALSE(view->failure);
    }
    ~Readers() { waker->detach(); }

    std::unique_ptr<KafkaReader> reader(const std::vector<KafkaReader::Start>& starts) {
        return reader(starts, world.clock);
    }
    std::unique_ptr<KafkaReader> reader(const std::vector<KafkaReader::Start>& starts,
                                        const Clock& clock) {
        auto made = std::make_unique<KafkaReader>(client, topic, waker, clock);
        REQUIRE(made->assign(starts));
        return made;
    }

    KafkaWorld& world;
    std::string topic;
    KafkaClients clients;
    std::shared_ptr<KafkaClient> client;
    std::shared_ptr<DetachableWaker> waker;
};

// A broker's answers that librdkafka keeps to itself and asks again for.
constexpr int kNotLeader = 6;
// One that a reader answers by assigning the partition again.
constexpr int kCorruptMessage = 2;

// Lets the questions on their way be answered.
void settle(KafkaWorld& world) {
    std::atomic<bool> is_answered{false};
    REQUIRE(world.blocking.submit()([&] { is_answered = true; }));
    test::eventually(world.bell, [&] { return is_answered.load(); });
}

// Appends "partition:offset:value" of what a read brings.
Status take(KafkaReader& reader, std::vector<std::string>& into) {
    MILLRACE_TRY_ASSIGN(const auto messages, reader.read());
    for (const rd_kafka_message_t* m : messages)
        into.push_back(fmt::format("{}:{}:{}", m->partition, m->offset,
                                   std::string_view(static_cast<const char*>(m->payload), m->len)));
    return {};
}

std::vector<std::string> read_count(KafkaWorld& world, KafkaReader& reader, std::size_t count) {
    std::vector<std::string> got;
    test::eventually(world.bell, [&] {
        REQUIRE(take(reader, got));
        return got.size() >= count;
    });
    return got;
}

Error read_until_failure(Readers& readers, KafkaReader& reader, std::vector<std::string>& got) {
    Status status;
    test::eventually(readers.world.bell, [&] {
        readers.client->serve();
        status = take(reader, got);
        return !status.has_value();
    });
    return status.error();
}

}  // namespace

TEST_CASE("Nothing is asked any more once the job has let its clients go", "[operators][kafka]") {
    KafkaWorld kafka;
    std::vector<std::function<void()>> questions;
    auto clients =
        std::make_unique<KafkaClients>(KafkaMemory{}, kafka.clock, [&](std::function<void()> work) {
            questions.push_back(std::move(work));
            return Status();
        });
    const auto client =
        *clients->client({.connection = kafka.connection(), .role = KafkaRole::kSource});
    int answers = 0;
    client->learn_topic("clicks", [&](const TopicView&) { ++answers; });
    client->learn_topic("clicks", [&](const TopicView&) { ++answers; });
    questions.front()();
    CHECK(answers == 1);
    clients.reset();
    questions.back()();
    CHECK(answers == 1);
}

TEST_CASE("KafkaReader reads its partitions from their start offsets in order",
          "[operators][kafka]") {
    KafkaWorld world;
    REQUIRE(world.broker->create_topic("clicks", 2));
    test::produce(world.broker->address(), "clicks",
                  {{0, "a"}, {0, "b"}, {0, "c"}, {1, "d"}, {1, "e"}});
    Readers readers(world, "clicks");
    const auto reader =
        readers.reader({{.partition = 0, .offset = 1}, {.partition = 1, .offset = 0}});
    auto got = read_count(world, *reader, 4);
    std::stable_sort(got.begin(), got.end(),
                     [](const auto& a, const auto& b) { return a[0] < b[0]; });
    CHECK(got == std::vector<std::string>{"0:1:b", "0:2:c", "1:0:d", "1:1:e"});
    CHECK(reader->position(0) == 3);
    CHECK(reader->position(1) == 2);
    test::eventually(world.bell, [&] {
        REQUIRE(take(*reader, got));
        return reader->at_end();
    });
}

TEST_CASE("KafkaReaders that share a client get their own partitions only", "[operators][kafka]") {
    KafkaWorld world;
    REQUIRE(world.broker->create_topic("clicks", 2));
    test::produce(world.broker->address(), "clicks", {{0, "a"}, {1, "b"}});
    Readers readers(world, "clicks");
    const auto first = readers.reader({{.partition = 0, .offset = 0}});
    CHECK(read_count(world, *first, 1) == std::vector<std::string>{"0:0:a"});
    // The second comes and goes while the first goes on.
    {
        const auto second = readers.reader({{.partition = 1, .offset = 0}});
        CHECK(read_count(world, *second, 1) == std::vector<std::string>{"1:0:b"});
    }
    test::produce(world.broker->address(), "clicks", {{0, "c"}, {1, "d"}});
    CHECK(read_count(world, *first, 1) == std::vector<std::string>{"0:1:c"});
    const auto third = readers.reader({{.partition = 1, .offset = 1}});
    CHECK(read_count(world, *third, 1) == std::vector<std::string>{"1:1:d"});
}

TEST_CASE("KafkaReader fails with topic, partition and offset at a damaged batch",
          "[operators][kafka]") {
    KafkaWorld world;
    REQUIRE(world.broker->create_topic("clicks", 2));
    test::produce(world.broker->address(), "clicks", {{0, "a"}, {0, "b"}, {1, "c"}});
    test::produce_damaged(world.broker->address(), "clicks", 0, {"x", "y"});
    test::produce(world.broker->address(), "clicks", {{0, "d"}});
    Readers readers(world, "clicks");
    const auto reader =
        readers.reader({{.partition = 0, .offset = 0}, {.partition = 1, .offset = 0}});
    std::vector<std::string> got;
    const Error error = read_until_failure(readers, *reader, got);
    CHECK(error.code == Code::kCorruption);
    CHECK_THAT(error.message, Catch::Contains("topic clicks, partition 0, offset 2") &&
                                  Catch::Contains("failed CRC32C check"));
    std::sort(got.begin(), got.end());
    // Nothing is read twice or skipped by the attempts before.
    CHECK(got == std::vector<std::string>{"0:0:a", "0:1:b", "1:0:c"});
}

TEST_CASE("KafkaReader that assigns a partition again and again loses and repeats nothing",
          "[operators][kafka]") {
    KafkaWorld world;
    REQUIRE(world.broker->create_topic("clicks", 1));
    Readers readers(world, "clicks");
    const auto reader = readers.reader({{.partition = 0, .offset = 0}});
    constexpr int kRounds = 20;
    std::vector<std::string> wanted;
    std::vector<std::string> got;
    for (int i = 0; i < kRounds; ++i) {
        world.broker->answer_with_error(EmbeddedBroker::Request::kFetch, kCorruptMessage, 1);
        test::produce(world.broker->address(), "clicks", {{0, std::to_string(i)}});
        wanted.push_back(fmt::format("0:{}:{}", i, i));
        test::eventually(world.bell, [&] {
            REQUIRE(take(*reader, got));
            return got.size() >= wanted.size();
        });
    }
    CHECK(got == wanted);
}

TEST_CASE("Records that come before a partition is forwarded again wait for it",
          "[operators][kafka]") {
    KafkaWorld world;
    REQUIRE(world.broker->create_topic("clicks", 1));
    test::produce(world.broker->address(), "clicks", {{0, "a"}, {0, "b"}});
    Readers readers(world, "clicks");
    rd_kafka_t* const client = readers.client->handle();
    const KafkaQueue own(rd_kafka_queue_get_partition(client, "clicks", 0));
    const KafkaQueue target(rd_kafka_queue_new(client));
    const KafkaPartitions list(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(list.get(), "clicks", 0)->offset = 0;
    // As KafkaReader does, but with all the time there is between its two calls.
    rd_kafka_queue_forward(own.get(), target.get());
    REQUIRE(KafkaError(rd_kafka_incremental_assign(client, list.get())) == nullptr);
    REQUIRE(KafkaError(rd_kafka_incremental_unassign(client, list.get())) == nullptr);
    REQUIRE(KafkaError(rd_kafka_incremental_assign(client, list.get())) == nullptr);
    test::eventually(world.bell, [&] { return rd_kafka_queue_length(own.get()) >= 2; });
    rd_kafka_queue_forward(own.get(), target.get());
    std::vector<std::int64_t> offsets;
    test::eventually(world.bell, [&] {
        while (rd_kafka_message_t* message = rd_kafka_consume_queue(target.get(), 0)) {
            if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) offsets.push_back(message->offset);
            rd_kafka_message_destroy(message);
        }
        return offsets.size() >= 2;
    });
    CHECK(offsets == std::vector<std::int64_t>{0, 1});
    REQUIRE(KafkaError(rd_kafka_incremental_unassign(client, list.get())) == nullptr);
}

TEST_CASE("KafkaReader takes silence for a stall only while it reads", "[operators][kafka]") {
    KafkaWorld world;
    REQUIRE(world.broker->create_topic("clicks", 1));
    test::produce(world.broker->address(), "clicks", {{0, "a"}});
    world.broker->answer_with_error(EmbeddedBroker::Request::kFetch, kNotLeader, 100'000);
    Readers readers(world, "clicks");
    millrace::test::ManualClock clock;
    const auto reader = readers.reader({{.partition = 0, .offset = 0}}, clock);
    std::vector<std::string> got;
    // One look of a source: the answer to the last question is judged, and the next one asked.
    const auto look = [&] {
        const Status status = reader->watch();
        settle(world);
        return status;
    };
    const auto read_and_look = [&] {
        REQUIRE(take(*reader, got));
        return look();
    };
    REQUIRE(read_and_look());
    clock.advance(KafkaReader::kMarksInterval);
    REQUIRE(read_and_look());  // The silence begins.
    clock.advance(KafkaReader::kMarksInterval);
    REQUIRE(read_and_look());
    // The source cannot go on for a while, and does not read: what it knows is old.
    clock.advance(PartitionCursor::kStallMax * 2);
    REQUIRE(look());
    REQUIRE(read_and_look());
    Duration silent{};
    Status status;
    for (; status && silent < 2 * PartitionCursor::kStallMax;
         silent += KafkaReader::kMarksInterval) {
        clock.advance(KafkaReader::kMarksInterval);
        status = read_and_look();
    }
    REQUIRE_FALSE(status);
    CHECK(silent == PartitionCursor::kStallMax);
    CHECK(status.error().code == Code::kCorruption);
    CHECK_THAT(status.error().message, Catch::Contains("nothing comes although"));
    CHECK(got.empty());
}

TEST_CASE("KafkaReader shows the log's range when its offset is out of it", "[operators][kafka]") {
    KafkaWorld world;
    REQUIRE(world.broker->create_topic("clicks", 1));
    test::produce(world.broker->address(), "clicks", {{0, "a"}, {0, "b"}});
    Readers readers(world, "clicks");
    const auto reader = readers.reader({{.partition = 0, .offset = 77}});
    std::vector<std::string> got;
    const Error error = read_until_failure(readers, *reader, got);
    CHECK(error.code == Code::kInvalidArgument);
    CHECK_THAT(error.message, Catch::Contains("partition 0, offset 77: the offset is out of range, "
                                              "it holds offsets 0 to 1"));
    CHECK(got.empty());
}

TEST_CASE("KafkaReader says that a partition is empty when its offset is out of range",
          "[operators][kafka]") {
    KafkaWorld world;
    REQUIRE(world.broker->create_topic("clicks", 1));
    Readers readers(world, "clicks");
    const auto reader = readers.reader({{.partition = 0, .offset = 77}});
    std::vector<std::string> got;
    CHECK_THAT(read_until_failure(readers, *reader, got).message,
               Catch::Contains("partition 0, offset 77: the offset is out of range, it is empty "
                               "now, and its next offset is 0. Hint:"));
}

TEST_CASE("KafkaReader goes on after a broker was away and shows the cause meanwhile",
          "[operators][kafka]") {
    KafkaWorld world;
    REQUIRE(world.broker->create_topic("clicks", 1));
    test::produce(world.broker->address(), "clicks", {{0, "a"}});
    Readers readers(world, "clicks");
    const auto reader = readers.reader({{.partition = 0, .offset = 0}});
    auto got = read_count(world, *reader, 1);
    world.broker->set_down(1);
    test::eventually(world.bell, [&] {
        readers.client->serve();
        REQUIRE(take(*reader, got));
        return readers.client->health().trouble().find("Connection refused") != std::string::npos;
    });
    CHECK_THAT(readers.client->health().trouble(),
               Catch::StartsWith("Kafka cluster main at " + world.broker->address() + ": ") &&
                   Catch::Contains("Hint: is the broker running"));
    world.broker->set_up(1);
    test::produce(world.broker->address(), "clicks", {{0, "b"}});
    test::eventually(world.bell, [&] {
        REQUIRE(take(*reader, got));
        return got.size() == 2;
    });
    CHECK(got.back() == "0:1:b");
    test::eventually(world.bell, [&] {
        readers.client->serve();
        return readers.client->health().trouble().empty();
    });
}

TEST_CASE("KafkaReader knows how far behind it is", "[operators][kafka]") {
    KafkaWorld world;
    REQUIRE(world.broker->create_topic("clicks", 2));
    test::produce(world.broker->address(), "clicks", {{0, "a"}, {0, "b"}, {1, "c"}});
    Readers readers(world, "clicks");
    const auto reader =
        readers.reader({{.partition = 0, .offset = 1}, {.partition = 1, .offset = 0}});
    test::eventually(world.bell, [&] {
        REQUIRE(reader->watch());
        return reader->lag() == 2;
    });
    read_count(world, *reader, 2);
    CHECK(reader->lag() == 0);
}

TEST_CASE("KafkaReader that nobody reads holds no more than its queue limits",
          "[operators][kafka]") {
    KafkaWorld world;
    REQUIRE(world.broker->create_topic("clicks", 1));
    std::vector<Sent> records(20'000, Sent{0, std::string(200, 'x')});
    test::produce(world.broker->address(), "clicks", records);
    const KafkaMemory memory{.consumer_bytes = 2 << 20};
    const FetchQueueLimits limits = fetch_queue_limits(memory, 1);
    Readers readers(world, "clicks", memory);
    const auto reader = readers.reader({{.partition = 0, .offset = 0}});
    test::eventually(world.bell, [&] { return reader->queued() >= limits.records; });
    // One answer, of 1 MiB for a partition, may come on top.
    CHECK(reader->queued() <= limits.records + (1 << 20) / 200);
    CHECK(reader->queued() < records.size());
    CHECK(read_count(world, *reader, records.size()).size() == records.size());
}

}  // namespace millrace::operators
