#include "tests/support/kafka_client.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <set>

#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include "runtime/base/check.h"
#include "tests/support/skip.h"

namespace millrace::support {

namespace {

constexpr int kCallMs = 30'000;  // One request to the broker.
constexpr int kPollMs = 100;
constexpr std::size_t kErrorBytes = 512;
constexpr std::string_view kLongRecordBytes = "20000000";  // Tests write over-long records.

// Destroys a librdkafka handle by the function given.
template <auto kDestroy>
struct Destroy {
    template <class Handle>
    void operator()(Handle* handle) const {
        kDestroy(handle);
    }
};

using Client = std::unique_ptr<rd_kafka_t, Destroy<rd_kafka_destroy>>;
using Queue = std::unique_ptr<rd_kafka_queue_t, Destroy<rd_kafka_queue_destroy>>;
using Event = std::unique_ptr<rd_kafka_event_t, Destroy<rd_kafka_event_destroy>>;
using Message = std::unique_ptr<rd_kafka_message_t, Destroy<rd_kafka_message_destroy>>;
using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, Destroy<rd_kafka_NewTopic_destroy>>;
using OldTopic = std::unique_ptr<rd_kafka_DeleteTopic_t, Destroy<rd_kafka_DeleteTopic_destroy>>;
using Partitions = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                   Destroy<rd_kafka_topic_partition_list_destroy>>;

using Settings = std::vector<std::pair<std::string, std::string>>;

std::unexpected<Error> kafka_failure(std::string_view what, rd_kafka_resp_err_t error) {
    Code code = Code::kUnavailable;
    if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
        error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) {
        code = Code::kNotFound;
    } else if (error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
        code = Code::kAlreadyExists;
    }
    return fail(code, "{}: {}", what, rd_kafka_err2str(error));
}

// Counts the records that the broker refused; the opaque is a DeliveryReport.
struct DeliveryReport {
    std::size_t failed = 0;
    rd_kafka_resp_err_t first_error = RD_KAFKA_RESP_ERR_NO_ERROR;
};

void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
    auto& report = *static_cast<DeliveryReport*>(opaque);
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && report.failed++ == 0) {
        report.first_error = message->err;
    }
}

Client make_client(rd_kafka_type_t type, const Settings& settings, DeliveryReport* report) {
    std::array<char, kErrorBytes> error{};
    rd_kafka_conf_t* configuration = rd_kafka_conf_new();
    for (const auto& [key, value] : settings) {
        const auto result = rd_kafka_conf_set(configuration, key.c_str(), value.c_str(),
                                              error.data(), error.size());
        MILLRACE_CHECK_EQ(static_cast<int>(result), static_cast<int>(RD_KAFKA_CONF_OK));
    }
    if (report != nullptr) {
        rd_kafka_conf_set_opaque(configuration, report);
        rd_kafka_conf_set_dr_msg_cb(configuration, on_delivery);
    }
    Client client(rd_kafka_new(type, configuration, error.data(), error.size()));
    MILLRACE_CHECK(client != nullptr);
    return client;
}

Client make_consumer(const std::string& brokers, KafkaClient::Isolation isolation) {
    const bool committed = isolation == KafkaClient::Isolation::kReadCommitted;
    return make_client(RD_KAFKA_CONSUMER,
                       {{"bootstrap.servers", brokers},
                        {"group.id", "millrace-tests"},
                        {"enable.auto.commit", "false"},
                        {"enable.partition.eof", "true"},
                        {"auto.offset.reset", "earliest"},
                        {"fetch.wait.max.ms", std::to_string(kPollMs)},
                        {"fetch.message.max.bytes", std::string(kLongRecordBytes)},
                        {"receive.message.max.bytes", "100000000"},
                        {"isolation.level", committed ? "read_committed" : "read_uncommitted"}},
                       nullptr);
}

std::optional<std::string> text_of(const void* bytes, std::size_t size) {
    if (bytes == nullptr) {
        return std::nullopt;
    }
    return std::string(static_cast<const char*>(bytes), size);
}

void* bytes_of(const std::optional<std::string>& text) {
    return text ? const_cast<char*>(text->data()) : nullptr;
}

KafkaRecord record_of(const rd_kafka_message_t& message) {
    KafkaRecord record{.partition = message.partition,
                       .offset = message.offset,
                       .timestamp_ms = rd_kafka_message_timestamp(&message, nullptr),
                       .key = text_of(message.key, message.key_len),
                       .value = text_of(message.payload, message.len),
                       .headers = {}};
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return record;
    }
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
        record.headers.emplace_back(name, text_of(value, size).value_or(""));
    }
    return record;
}

rd_kafka_headers_t* headers_of(const KafkaRecord& record) {
    rd_kafka_headers_t* headers = rd_kafka_headers_new(record.headers.size());
    for (const auto& [name, value] : record.headers) {
        rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                            static_cast<ssize_t>(value.size()));
    }
    return headers;
}

// Hands one record to librdkafka, which copies it.
rd_kafka_resp_err_t enqueue(rd_kafka_t* producer, const std::string& topic,
                            const KafkaRecord& record) {
    rd_kafka_headers_t* headers = headers_of(record);
    const std::size_t key_bytes = record.key ? record.key->size() : 0;
    const std::size_t value_bytes = record.value ? record.value->size() : 0;
    const auto error = rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(record.partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(bytes_of(record.key), key_bytes),
        RD_KAFKA_V_VALUE(bytes_of(record.value), value_bytes),
        RD_KAFKA_V_TIMESTAMP(record.timestamp_ms), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_headers_destroy(headers);
    }
    return error;
}

// The outcome of the one topic in an answer to a request for topics.
rd_kafka_resp_err_t topic_error(rd_kafka_event_t* event, const rd_kafka_topic_result_t** results,
                                std::size_t count) {
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return rd_kafka_event_error(event);
    }
    return count == 1 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__FAIL;
}

// Reads every partition from its start; a partition is done at its end as of now.
Result<std::vector<KafkaRecord>> drain(rd_kafka_t* consumer, std::size_t partition_count,
                                       const Deadline& deadline) {
    std::vector<KafkaRecord> records;
    std::set<std::int32_t> done;
    while (done.size() < partition_count) {
        if (deadline.passed()) {
            return fail(Code::kDeadlineExceeded, "read {} records; {} of {} partitions to the end",
                        records.size(), done.size(), partition_count);
        }
        const Message message(rd_kafka_consumer_poll(consumer, kPollMs));
        if (message == nullptr) {
            continue;
        }
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            done.insert(message->partition);
        } else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            records.push_back(record_of(*message));
        } else if (message->err != RD_KAFKA_RESP_ERR__TRANSPORT) {
            return kafka_failure("cannot read", message->err);
        }
    }
    std::ranges::stable_sort(records, {}, [](const KafkaRecord& record) {
        return std::pair(record.partition, record.offset);
    });
    return records;
}

}  // namespace

struct KafkaClient::Handles {
    DeliveryReport report;
    Client producer;
};

std::string kafka_brokers_or_skip() {
    return environment_or_skip("MILLRACE_TEST_KAFKA",
                               "needs a Kafka broker (./tests/run starts one, or set "
                               "MILLRACE_TEST_KAFKA=HOST:PORT)");
}

std::string unique_topic(std::string_view stem) {
    static std::atomic<int> next{0};
    return fmt::format("{}-{}-{}-{}", stem, SystemClock().wall_ms(), ::getpid(), next++);
}

KafkaClient::KafkaClient(std::string brokers)
    : brokers_(std::move(brokers)), handles_(std::make_unique<Handles>()) {
    handles_->producer = make_client(RD_KAFKA_PRODUCER,
                                     {{"bootstrap.servers", brokers_},
                                      {"enable.idempotence", "true"},
                                      {"message.max.bytes", std::string(kLongRecordBytes)},
                                      {"message.timeout.ms", std::to_string(kCallMs)}},
                                     &handles_->report);
}

KafkaClient::~KafkaClient() = default;

Status KafkaClient::create_topic(const std::string& topic, int partition_count,
                                 const std::map<std::string, std::string>& config) {
    std::array<char, kErrorBytes> error{};
    const NewTopic request(
        rd_kafka_NewTopic_new(topic.c_str(), partition_count, 1, error.data(), error.size()));
    MILLRACE_CHECK(request != nullptr);
    for (const auto& [key, value] : config) {
        rd_kafka_NewTopic_set_config(request.get(), key.c_str(), value.c_str());
    }
    const Queue queue(rd_kafka_queue_new(handles_->producer.get()));
    std::array<rd_kafka_NewTopic_t*, 1> requests{request.get()};
    rd_kafka_CreateTopics(handles_->producer.get(), requests.data(), 1, nullptr, queue.get());
    const Event event(rd_kafka_queue_poll(queue.get(), kCallMs));
    if (event == nullptr) {
        return fail(Code::kUnavailable, "no answer from {} to creating a topic", brokers_);
    }
    std::size_t count = 0;
    const auto* answer = rd_kafka_event_CreateTopics_result(event.get());
    const auto** topics =
        answer == nullptr ? nullptr : rd_kafka_CreateTopics_result_topics(answer, &count);
    const auto outcome = topic_error(event.get(), topics, count);
    if (outcome != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_failure("cannot create topic " + topic, outcome);
    }
    // The answer comes before every partition has its leader.
    const auto expected = static_cast<std::size_t>(partition_count);
    const bool usable = eventually([&] {
        const auto found = watermarks(topic);
        return found && found->size() == expected;
    });
    return usable ? Status() : fail(Code::kUnavailable, "topic {} got no leader", topic);
}

Status KafkaClient::delete_topic(const std::string& topic) {
    const OldTopic request(rd_kafka_DeleteTopic_new(topic.c_str()));
    const Queue queue(rd_kafka_queue_new(handles_->producer.get()));
    std::array<rd_kafka_DeleteTopic_t*, 1> requests{request.get()};
    rd_kafka_DeleteTopics(handles_->producer.get(), requests.data(), 1, nullptr, queue.get());
    const Event event(rd_kafka_queue_poll(queue.get(), kCallMs));
    if (event == nullptr) {
        return fail(Code::kUnavailable, "no answer from {} to deleting a topic", brokers_);
    }
    std::size_t count = 0;
    const auto* answer = rd_kafka_event_DeleteTopics_result(event.get());
    const auto** topics =
        answer == nullptr ? nullptr : rd_kafka_DeleteTopics_result_topics(answer, &count);
    const auto outcome = topic_error(event.get(), topics, count);
    if (outcome != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_failure("cannot delete topic " + topic, outcome);
    }
    return {};
}

Status KafkaClient::produce(const std::string& topic, const std::vector<KafkaRecord>& records) {
    rd_kafka_t* producer = handles_->producer.get();
    handles_->report = {};
    for (const KafkaRecord& record : records) {
        auto error = enqueue(producer, topic, record);
        while (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_poll(producer, kPollMs);
            error = enqueue(producer, topic, record);
        }
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return kafka_failure("cannot produce to " + topic, error);
        }
    }
    const auto error = rd_kafka_flush(producer, kCallMs);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_failure("not all records reached " + topic, error);
    }
    if (handles_->report.failed > 0) {
        return kafka_failure(
            fmt::format("{} records were refused by {}", handles_->report.failed, topic),
            handles_->report.first_error);
    }
    return {};
}

Status KafkaClient::produce_values(const std::string& topic,
                                   const std::vector<std::string>& values) {
    std::vector<KafkaRecord> records(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        records[i].value = values[i];
    }
    return produce(topic, records);
}

Result<std::vector<KafkaClient::Watermarks>> KafkaClient::watermarks(const std::string& topic) {
    rd_kafka_t* client = handles_->producer.get();
    const std::unique_ptr<rd_kafka_topic_t, Destroy<rd_kafka_topic_destroy>> handle(
        rd_kafka_topic_new(client, topic.c_str(), nullptr));
    const rd_kafka_metadata_t* metadata = nullptr;
    const auto error = rd_kafka_metadata(client, 0, handle.get(), &metadata, kCallMs);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_failure("no metadata of " + topic, error);
    }
    const auto topic_outcome = metadata->topics[0].err;
    const int partition_count = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    if (topic_outcome != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_failure("no metadata of " + topic, topic_outcome);
    }
    std::vector<Watermarks> result(static_cast<std::size_t>(partition_count));
    for (int partition = 0; partition < partition_count; ++partition) {
        Watermarks& marks = result[static_cast<std::size_t>(partition)];
        const auto outcome = rd_kafka_query_watermark_offsets(client, topic.c_str(), partition,
                                                              &marks.low, &marks.high, kCallMs);
        if (outcome != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return kafka_failure("no watermarks of " + topic, outcome);
        }
    }
    return result;
}

Result<std::int64_t> KafkaClient::record_count(const std::string& topic) {
    MILLRACE_TRY_ASSIGN(const auto partitions, watermarks(topic));
    std::int64_t count = 0;
    for (const Watermarks& marks : partitions) {
        count += marks.high - marks.low;
    }
    return count;
}

Result<std::vector<KafkaRecord>> KafkaClient::read_all(const std::string& topic,
                                                       Isolation isolation,
                                                       std::chrono::milliseconds patience) {
    const Deadline deadline(patience);
    MILLRACE_TRY_ASSIGN(const auto partitions, watermarks(topic));
    const Client consumer = make_consumer(brokers_, isolation);
    const Partitions assignment(
        rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
    for (std::size_t partition = 0; partition < partitions.size(); ++partition) {
        rd_kafka_topic_partition_list_add(assignment.get(), topic.c_str(),
                                          static_cast<std::int32_t>(partition))
            ->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    rd_kafka_poll_set_consumer(consumer.get());
    rd_kafka_assign(consumer.get(), assignment.get());
    auto records = drain(consumer.get(), partitions.size(), deadline);
    rd_kafka_consumer_close(consumer.get());
    return records;
}

Result<std::vector<KafkaRecord>> KafkaClient::read_at_least(const std::string& topic,
                                                            std::size_t count,
                                                            std::chrono::milliseconds patience) {
    const Deadline deadline(patience);
    const auto expected = static_cast<std::int64_t>(count);
    while (true) {
        // The watermarks are cheap to ask for; markers of transactions count there too.
        const bool enough = eventually(std::chrono::milliseconds(deadline.left_ms()),
                                       [&] { return record_count(topic).value_or(0) >= expected; });
        MILLRACE_TRY_ASSIGN(auto records, read_all(topic));
        if (records.size() >= count) {
            return records;
        }
        if (!enough || deadline.passed()) {
            return fail(Code::kDeadlineExceeded, "{} holds {} records, not {}", topic,
                        records.size(), count);
        }
    }
}

}  // namespace millrace::support
