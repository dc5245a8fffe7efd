#include "operators/kafka/kafka_sink.h"

#include <algorithm>

#include <catch2/catch.hpp>

#include "kafka_world.h"
#include "operator_world.h"
#include "operators/error_stream.h"
#include "runtime/state/memory_snapshot.h"
#include "tests/support/heap_count.h"

namespace millrace::operators {
namespace {

using test::CollectingOutput;
using test::KafkaWorld;
using test::OperatorWorld;
using test::Received;

// One sink subtask that writes to the topic `out`.
struct SinkWorld {
    SinkWorld(KafkaWorld& kafka_in, KafkaSink::Options options, KafkaMemory memory = {})
        : kafka(kafka_in),
          world(kafka.clock),
          clients(memory, kafka.clock, kafka.blocking.submit()),
          sink(with_place(std::move(options)), std::make_unique<test::BarEncoder>(), clients) {
        REQUIRE(sink.open(world.context()));
    }
    ~SinkWorld() { sink.close(); }

    KafkaSink::Options with_place(KafkaSink::Options options) const {
        options.settings.connection = kafka.connection();
        options.settings.role = KafkaRole::kSink;
        options.topic = "out";
        return options;
    }
    Status tick() { return world.clock.now() >= sink.next_tick() ? sink.on_tick(out) : Status{}; }
    // Calls as a task does until the sink is done; counts how often it was blocked.
    void until_done(const std::function<Result<Progress>()>& call) {
        test::eventually(world.bell, [&] {
            REQUIRE(tick());
            const auto progress = call();
            REQUIRE(progress);
            blocked += *progress == Progress::kBlocked ? 1 : 0;
            return *progress == Progress::kDone;
        });
    }
    void write(const data::BatchPtr& batch) {
        until_done([&] { return sink.process(batch, 0, out); });
    }
    void settle() {
        until_done([&] { return sink.on_end(out); });
    }
    Error until_failure(const std::function<Result<Progress>()>& call) {
        std::optional<Error> error;
        test::eventually(world.bell, [&] {
            if (auto ticked = tick(); !ticked) error = ticked.error();
            if (error) return true;
            if (auto progress = call(); !progress) error = progress.error();
            return error.has_value();
        });
        return *error;
    }

    KafkaWorld& kafka;
    OperatorWorld world;
    KafkaClients clients;
    KafkaSink sink;
    CollectingOutput out;
    int blocked = 0;
};

std::vector<Received> written(KafkaWorld& kafka, int partitions, std::size_t count) {
    return test::consume(kafka.broker->address(), "out", partitions, count);
}

const data::SchemaPtr& two_columns() {
    static const data::SchemaPtr schema = test::text_schema({"id", "text"});
    return schema;
}

}  // namespace

TEST_CASE("KafkaSink writes rows and their keys where Java's producer would",
          "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("out", 5));
    SinkWorld world(kafka, {.key = 0});
    const auto batch =
        test::text_batch(world.world, two_columns(), {{"21", "a"}, {"foobar", "b"}, {"abc", "c"}});
    world.write(batch);
    world.settle();
    auto got = written(kafka, 5, 3);
    std::sort(got.begin(), got.end(), [](auto& a, auto& b) { return a.value < b.value; });
    // The hashes stand in Kafka's UtilsTest: -973932308, 479470107 and -790332482; sign bit off,
    // modulo 5.
    REQUIRE(got.size() == 3);
    CHECK(got[0].value == "21|a");
    CHECK(got[0].key == "21");
    CHECK(got[0].partition == 0);
    CHECK(got[1].value == "abc|c");
    CHECK(got[1].partition == 2);
    CHECK(got[2].value == "foobar|b");
    CHECK(got[2].partition == 1);
}

TEST_CASE("KafkaSink without key fills one partition a batch, then the next",
          "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("out", 2));
    SinkWorld world(kafka, {});
    for (int i = 0; i < 4; ++i) {
        const std::string id = std::to_string(i);
        world.write(test::text_batch(world.world, two_columns(), {{id, "a"}, {id, "b"}}));
    }
    world.settle();
    std::map<std::string, std::int32_t> partition_of;
    for (const Received& record : written(kafka, 2, 8)) {
        CHECK_FALSE(record.key);
        partition_of[record.value] = record.partition;
    }
    for (const char* text : {"a", "b"}) {
        CHECK(partition_of[fmt::format("0|{}", text)] == 0);
        CHECK(partition_of[fmt::format("1|{}", text)] == 1);
        CHECK(partition_of[fmt::format("2|{}", text)] == 0);
        CHECK(partition_of[fmt::format("3|{}", text)] == 1);
    }
}

TEST_CASE("KafkaSink rejects rows without their key and rows that are too long",
          "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("out", 1));
    SinkWorld world(kafka,
                    {.settings = {.node_properties = {{"message.max.bytes", "20000"}}}, .key = 0});
    world.write(test::text_batch(world.world, two_columns(),
                                 {{"k", "a"},
                                  {"null", "b"},
                                  {"k", std::string(20'000, 'x')},
                                  {"k", std::string(300'000, 'y')},
                                  {"k", "c"}},
                                 40));
    world.settle();
    const auto got = written(kafka, 1, 2);
    CHECK(got[0].value == "k|a");
    CHECK(got[1].value == "k|c");
    REQUIRE(world.out.rejected.size() == 3);
    std::map<std::int64_t, std::string> code_of;
    for (const auto& rejected : world.out.rejected)
        code_of[rejected.position.ordinal] = rejected.code;
    CHECK(code_of == std::map<std::int64_t, std::string>{
                         {41, "null_key"}, {42, "too_long"}, {43, "too_long"}});
}

TEST_CASE("KafkaSink blocks while the producer's queue is full, and loses nothing",
          "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("out", 1));
    kafka.broker->set_round_trip_ms(1, 20);
    // Room for 1,000 records of 256 bytes.
    SinkWorld world(kafka, {}, {.producer_bytes = 256'000});
    const std::size_t rows = data::kRowsMax;
    std::vector<std::vector<std::string>> cells(rows, {"id", std::string(100, 'x')});
    const auto batch = test::text_batch(world.world, two_columns(), cells);
    for (int i = 0; i < 10; ++i) world.write(batch);
    CHECK(world.blocked > 0);
    world.settle();
    CHECK(written(kafka, 1, 10 * rows).size() == 10 * rows);
}

TEST_CASE("KafkaSink allocates nothing for a row", "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("out", 1));
    SinkWorld world(kafka, {.key = 0});
    const std::vector<std::vector<std::string>> cells(data::kRowsMax, {"id", "text"});
    const auto batch = test::text_batch(world.world, two_columns(), cells);
    world.write(batch);
    world.settle();
    const std::uint64_t before = millrace::test::heap_allocations();
    for (int i = 0; i < 20; ++i) REQUIRE(world.sink.process(batch, 0, world.out));
    CHECK(millrace::test::heap_allocations() - before < 20 * data::kRowsMax / 100);
    world.settle();
}

TEST_CASE("KafkaSink acknowledges a checkpoint only after every record is written",
          "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("out", 1));
    SinkWorld world(kafka, {});
    world.write(test::text_batch(world.world, two_columns(), {{"1", "a"}}));
    world.settle();
    kafka.broker->set_down(1);
    world.write(test::text_batch(world.world, two_columns(), {{"2", "b"}}));
    state::MemorySnapshot snapshot;
    const auto blocked = world.sink.snapshot(1, snapshot);
    REQUIRE(blocked);
    CHECK(*blocked == Progress::kBlocked);
    test::eventually(world.world.bell, [&] {
        REQUIRE(world.tick());
        return !world.sink.trouble().empty();
    });
    kafka.broker->set_up(1);
    world.until_done([&] { return world.sink.snapshot(1, snapshot); });
    CHECK(written(kafka, 1, 2)[1].value == "2|b");
}

TEST_CASE("KafkaSink repeats what a broker refused for the moment, once and in order",
          "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("out", 1));
    SinkWorld world(kafka, {});
    kafka.broker->answer_with_error(EmbeddedBroker::Request::kProduce, 7, 2);  // REQUEST_TIMED_OUT
    world.write(test::text_batch(world.world, two_columns(), {{"1", "a"}, {"2", "b"}}));
    world.settle();
    const auto got = written(kafka, 1, 2);
    CHECK(got[0].value == "1|a");
    CHECK(got[1].value == "2|b");
}

TEST_CASE("KafkaSink fails with the cause when a broker refuses a record for good",
          "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("out", 1));
    SinkWorld world(kafka, {});
    const auto [code, cause] = GENERATE(
        std::pair<int, std::string>{29,
                                    "topic authorization failed"},  // TOPIC_AUTHORIZATION_FAILED
        std::pair<int, std::string>{10, "max.message.bytes of the topic"});
    CAPTURE(code);
    kafka.broker->answer_with_error(EmbeddedBroker::Request::kProduce, code, 1);
    world.write(test::text_batch(world.world, two_columns(), {{"1", "a"}}));
    const Error error = world.until_failure([&] { return world.sink.on_end(world.out); });
    CHECK_THAT(error.message, Catch::Contains("cannot write to out/0 a record of 3 bytes") &&
                                  Catch::Contains(cause, Catch::CaseSensitive::No));
}

TEST_CASE("KafkaSink fails when its topic does not exist", "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("out", 1));
    kafka.broker->set_topic_error("out", 3);  // UNKNOWN_TOPIC_OR_PART
    SinkWorld world(kafka, {});
    const auto batch = test::text_batch(world.world, two_columns(), {{"1", "a"}});
    const Error error =
        world.until_failure([&] { return world.sink.process(batch, 0, world.out); });
    CHECK(error.code == Code::kNotFound);
    CHECK_THAT(error.message, Catch::Contains("cannot use topic out"));
}

TEST_CASE("KafkaSink puts event time into the record when it is told to", "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("out", 1));
    SinkWorld world(kafka, {.timestamp = KafkaSink::Timestamp::kEvent, .event_time = 1});
    const auto schema = *data::Schema::make(
        {{"id", {data::Kind::kString, {}}}, {"ts", {data::Kind::kTimestampMs, {}}}});
    data::BatchBuilder builder(schema, world.world.memory.batches());
    REQUIRE(builder.begin());
    REQUIRE(builder.set_text(0, "a"));
    builder.set_int64(1, 1'600'000'000'123);
    builder.end_row({});
    REQUIRE(builder.set_text(0, "b"));
    builder.end_row({});
    const data::BatchPtr full = builder.finish();
    const auto now = world.world.clock.wall_ms();
    world.write(full);
    world.settle();
    const auto got = written(kafka, 1, 2);
    CHECK(got[0].timestamp_ms == 1'600'000'000'123);
    CHECK(got[1].timestamp_ms >= now);
}

TEST_CASE("KafkaSink writes dead letters with their bytes, key and reason", "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("out", 1));
    SinkWorld world(kafka, {.dead_letters = true});
    data::BatchBuilder builder(errors_schema(), world.world.memory.batches());
    REQUIRE(builder.begin());
    const auto set = [&](ErrorColumn column, std::string_view text) {
        REQUIRE(builder.set_text(static_cast<std::size_t>(column), text));
    };
    set(ErrorColumn::kStep, "impressions");
    set(ErrorColumn::kCode, "wrong_type");
    set(ErrorColumn::kMessage, "not a number");
    set(ErrorColumn::kField, "bid");
    set(ErrorColumn::kSplit, "ad_clicks/3");
    set(ErrorColumn::kKey, "user-1");
    set(ErrorColumn::kPayload, "{\"bid\":\"x\"}");
    constexpr auto kNames = static_cast<std::size_t>(ErrorColumn::kHeaderNames);
    constexpr auto kValues = static_cast<std::size_t>(ErrorColumn::kHeaderValues);
    builder.begin_list(kNames);
    builder.begin_list(kValues);
    builder.begin_list(static_cast<std::size_t>(ErrorColumn::kHeaderNulls));
    REQUIRE(builder.append_element(kNames, std::string_view("trace")));
    REQUIRE(builder.append_element(kValues, std::string_view("a1\0b2", 5)));
    // Of a dead letter that came back: ours stands behind it.
    REQUIRE(builder.append_element(kNames, std::string_view("millrace.step")));
    REQUIRE(builder.append_element(kValues, std::string_view("earlier")));
    builder.end_row({.split = 3, .ordinal = 4711});
    set(ErrorColumn::kCode, "too_long");
    set(ErrorColumn::kSplit, "data/clicks.csv");
    builder.end_row({.split = 0, .ordinal = 12});
    world.write(builder.finish());
    world.settle();
    const auto got = written(kafka, 1, 2);
    CHECK(got[0].value == "{\"bid\":\"x\"}");
    CHECK(got[0].key == "user-1");
    auto headers = got[0].headers;
    CHECK(std::stoll(headers["millrace.error.time"]) >= 1'700'000'000'000);
    headers.erase("millrace.error.time");
    CHECK(headers ==
          std::map<std::string, std::string>{{"trace", std::string("a1\0b2", 5)},
                                             {"millrace.job", "ctr"},
                                             {"millrace.step", "impressions"},
                                             {"millrace.error.code", "wrong_type"},
                                             {"millrace.error.message", "not a number"},
                                             {"millrace.error.field", "bid"},
                                             {"millrace.error.source_topic", "ad_clicks"},
                                             {"millrace.error.source_partition", "3"},
                                             {"millrace.error.source_offset", "4711"}});
    CHECK(got[1].value.empty());
    CHECK_FALSE(got[1].key);
    CHECK(got[1].headers.at("millrace.error.source_topic") == "data/clicks.csv");
    CHECK(got[1].headers.count("millrace.error.source_partition") == 0);
    CHECK(got[1].headers.count("trace") == 0);
}

TEST_CASE("KafkaSink writes a dead letter that is too long for a record by its position",
          "[operators][kafka]") {
    KafkaWorld kafka;
    REQUIRE(kafka.broker->create_topic("out", 1));
    SinkWorld world(kafka, {.dead_letters = true});
    data::BatchBuilder builder(errors_schema(), world.world.memory.batches());
    REQUIRE(builder.begin());
    const auto set = [&](ErrorColumn column, std::string_view text) {
        REQUIRE(builder.set_text(static_cast<std::size_t>(column), text));
    };
    set(ErrorColumn::kCode, "bad_json");
    set(ErrorColumn::kSplit, "ad_clicks/3");
    set(ErrorColumn::kKey, "user-1");
    // message.max.bytes is 1,000,000 unless set.
    set(ErrorColumn::kPayload, std::string(1'000'000, 'x'));
    builder.end_row({.split = 3, .ordinal = 4711});
    world.write(builder.finish());
    world.settle();
    const auto got = written(kafka, 1, 1);
    CHECK(got[0].value.empty());
    CHECK_FALSE(got[0].key);
    CHECK(got[0].headers.at("millrace.error.source_partition") == "3");
    CHECK(got[0].headers.at("millrace.error.source_offset") == "4711");
    CHECK(world.out.rejected.empty());
}

}  // namespace millrace::operators
