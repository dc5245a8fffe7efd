#include "tests/bench/record_loop.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <span>
#include <utility>
#include <vector>

#include "runtime/base/check.h"

namespace millrace::bench {
namespace {

constexpr std::size_t kBatch = 1000;
constexpr std::size_t kValueBytes = 100;
constexpr int kPollMs = 5;
constexpr int kFlushMs = 60'000;

using Settings = std::vector<std::pair<const char*, const char*>>;

rd_kafka_t* make_client(rd_kafka_type_t type, const Settings& settings) {
    std::array<char, 512> error{};
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    for (const auto& [name, value] : settings) {
        if (rd_kafka_conf_set(conf, name, value, error.data(), error.size()) != RD_KAFKA_CONF_OK)
            std::fprintf(stderr, "%s\n", error.data());
    }
    rd_kafka_t* client = rd_kafka_new(type, conf, error.data(), error.size());
    if (client == nullptr) std::fprintf(stderr, "%s\n", error.data());
    MILLRACE_CHECK(client != nullptr);
    return client;
}

rd_kafka_t* make_consumer(const char* brokers) {
    Settings settings{{"bootstrap.servers", brokers},
                      {"group.id", "millrace-bench"},
                      {"enable.auto.commit", "false"},
                      {"queued.min.messages", "1000000"},
                      {"queued.max.messages.kbytes", "1048576"}};
    if (rd_kafka_version() >= 0x02030000) settings.back() = {"fetch.queue.backoff.ms", "20"};
    return make_client(RD_KAFKA_CONSUMER, settings);
}

rd_kafka_t* make_producer(const char* brokers) {
    return make_client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers},
                                           {"enable.idempotence", "true"},
                                           {"compression.type", "lz4"},
                                           {"queue.buffering.max.messages", "1000000"}});
}

// All partitions of `topic` from their start, in one queue.
rd_kafka_queue_t* read_from_start(rd_kafka_t* consumer, const std::string& topic, int partitions) {
    const rd_kafka_metadata_t* metadata = nullptr;
    rd_kafka_metadata(consumer, 0, nullptr, &metadata, kFlushMs);
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; ++i)
        rd_kafka_topic_partition_list_add(list, topic.c_str(), i)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
    const rd_kafka_resp_err_t error = rd_kafka_assign(consumer, list);
    MILLRACE_CHECK_EQ(static_cast<int>(error), 0);
    rd_kafka_topic_partition_list_destroy(list);
    return rd_kafka_queue_get_consumer(consumer);
}

void write_all(rd_kafka_t* producer, rd_kafka_topic_t* to, std::span<rd_kafka_message_t> open) {
    while (!open.empty()) {
        const int taken = rd_kafka_produce_batch(to, RD_KAFKA_PARTITION_UA,
                                                 RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_PARTITION,
                                                 open.data(), static_cast<int>(open.size()));
        open = open.subspan(static_cast<std::size_t>(taken));
        rd_kafka_poll(producer, open.empty() ? 0 : kPollMs);
    }
}

}  // namespace

void copy_records(std::span<rd_kafka_message_t* const> read, std::span<rd_kafka_message_t> write) {
    for (std::size_t i = 0; i < read.size(); ++i) {
        write[i].payload = read[i]->payload;
        write[i].len = std::min(read[i]->len, kValueBytes);
        write[i].partition = read[i]->partition;
    }
}

void run_record_loop(const std::string& brokers, const std::string& from, const std::string& to,
                     int partitions, std::int64_t records, const MakeMessages& make) {
    rd_kafka_t* consumer = make_consumer(brokers.c_str());
    rd_kafka_t* producer = make_producer(brokers.c_str());
    rd_kafka_topic_t* topic = rd_kafka_topic_new(producer, to.c_str(), nullptr);
    rd_kafka_queue_t* queue = read_from_start(consumer, from, partitions);
    std::array<rd_kafka_message_t*, kBatch> read{};
    std::array<rd_kafka_message_t, kBatch> write{};
    for (std::int64_t done = 0; done < records;) {
        const auto count = static_cast<std::size_t>(
            rd_kafka_consume_batch_queue(queue, kPollMs, read.data(), read.size()));
        std::fill_n(write.begin(), count, rd_kafka_message_t{});
        make(std::span(read).first(count), std::span(write).first(count));
        write_all(producer, topic, std::span(write).first(count));
        for (rd_kafka_message_t* message : std::span(read).first(count))
            rd_kafka_message_destroy(message);
        done += static_cast<std::int64_t>(count);
    }
    MILLRACE_CHECK_EQ(static_cast<int>(rd_kafka_flush(producer, kFlushMs)), 0);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(producer);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
}

std::string kafka_version() { return rd_kafka_version_str(); }

}  // namespace millrace::bench
