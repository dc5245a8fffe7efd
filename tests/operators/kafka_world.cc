#include "kafka_world.h"

#include <array>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "operators/kafka/kafka_handles.h"
#include "runtime/base/crc32c.h"

namespace millrace::operators::test {
namespace {

KafkaHandle plain_client(rd_kafka_type_t type, const std::string& brokers) {
    std::array<char, 512> text{};
    KafkaConf conf(rd_kafka_conf_new());
    const auto set = [&](const char* name, const char* value) {
        REQUIRE(rd_kafka_conf_set(conf.get(), name, value, text.data(), text.size()) ==
                RD_KAFKA_CONF_OK);
    };
    set("bootstrap.servers", brokers.c_str());
    rd_kafka_conf_set_log_cb(conf.get(), [](const rd_kafka_t*, int, const char*, const char*) {});
    if (type == RD_KAFKA_CONSUMER) {
        set("group.id", "plain");
        set("fetch.wait.max.ms", "10");
        set("auto.offset.reset", "earliest");
    } else {
        set("linger.ms", "0");
    }
    KafkaHandle handle(rd_kafka_new(type, conf.get(), text.data(), text.size()));
    REQUIRE(handle != nullptr);
    static_cast<void>(conf.release());
    return handle;
}

// The caller's until librdkafka takes them; none for a record without.
rd_kafka_headers_t* new_headers(const Sent& record) {
    if (record.headers.empty()) return nullptr;
    rd_kafka_headers_t* made = rd_kafka_headers_new(record.headers.size());
    for (const auto& [name, value] : record.headers)
        rd_kafka_header_add(made, name.data(), static_cast<ssize_t>(name.size()),
                            value ? value->data() : nullptr,
                            value ? static_cast<ssize_t>(value->size()) : 0);
    return made;
}

std::map<std::string, std::string> headers_of(const rd_kafka_message_t& message) {
    std::map<std::string, std::string> result;
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return result;
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i)
        result[name] = std::string(static_cast<const char*>(value), size);
    return result;
}

// Kafka's wire format, as far as one Produce request needs it.
class Bytes {
  public:
    Bytes& i8(int v) { return number(v, 1); }
    Bytes& i16(int v) { return number(v, 2); }
    Bytes& i32(std::int64_t v) { return number(v, 4); }
    Bytes& i64(std::int64_t v) { return number(v, 8); }
    Bytes& text(std::string_view v) {
        i16(static_cast<int>(v.size()));
        return raw(v);
    }
    Bytes& raw(std::string_view v) {
        bytes_ += v;
        return *this;
    }
    Bytes& varint(std::int64_t v) {
        auto z = static_cast<std::uint64_t>((v << 1) ^ (v >> 63));
        for (; z >= 0x80; z >>= 7) bytes_ += static_cast<char>(z | 0x80);
        bytes_ += static_cast<char>(z);
        return *this;
    }
    const std::string& str() const { return bytes_; }

  private:
    Bytes& number(std::int64_t v, int bytes) {
        for (int i = bytes - 1; i >= 0; --i) bytes_ += static_cast<char>(v >> (8 * i));
        return *this;
    }
    std::string bytes_;
};

// A RecordBatch (magic 2); its checksum is off by one.
std::string damaged_batch(const std::vector<std::string>& values) {
    Bytes records;
    for (std::size_t i = 0; i < values.size(); ++i) {
        Bytes record;
        record.i8(0).varint(0).varint(static_cast<std::int64_t>(i)).varint(-1);
        record.varint(static_cast<std::int64_t>(values[i].size())).raw(values[i]).varint(0);
        records.varint(static_cast<std::int64_t>(record.str().size())).raw(record.str());
    }
    const auto count = static_cast<std::int64_t>(values.size());
    Bytes summed;
    summed.i16(0).i32(count - 1).i64(1'700'000'000'000).i64(1'700'000'000'000);
    summed.i64(-1).i16(-1).i32(-1).i32(count).raw(records.str());
    const std::uint32_t sum = crc32c(std::as_bytes(std::span(summed.str())));
    Bytes batch;
    batch.i64(0).i32(static_cast<std::int64_t>(summed.str().size()) + 9).i32(0).i8(2);
    batch.i32(sum + 1).raw(summed.str());
    return batch.str();
}

}  // namespace

void produce(const std::string& brokers, const std::string& topic,
             const std::vector<Sent>& records) {
    const KafkaHandle handle = plain_client(RD_KAFKA_PRODUCER, brokers);
    for (const Sent& record : records) {
        const void* key = record.key ? record.key->data() : nullptr;
        const std::size_t key_size = record.key ? record.key->size() : 0;
        REQUIRE(rd_kafka_producev(
                    handle.get(), RD_KAFKA_V_TOPIC(topic.c_str()),
                    RD_KAFKA_V_PARTITION(record.partition),
                    RD_KAFKA_V_VALUE(const_cast<char*>(record.value.data()), record.value.size()),
                    RD_KAFKA_V_KEY(key, key_size), RD_KAFKA_V_TIMESTAMP(record.timestamp_ms),
                    RD_KAFKA_V_HEADERS(new_headers(record)),
                    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK),
                    RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR_NO_ERROR);
        rd_kafka_poll(handle.get(), 0);
    }
    REQUIRE(rd_kafka_flush(handle.get(), 20'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

std::vector<Received> consume(const std::string& brokers, const std::string& topic, int partitions,
                              std::size_t count) {
    const KafkaHandle handle = plain_client(RD_KAFKA_CONSUMER, brokers);
    rd_kafka_poll_set_consumer(handle.get());
    const KafkaPartitions list(rd_kafka_topic_partition_list_new(partitions));
    for (int i = 0; i < partitions; ++i)
        rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), i)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
    REQUIRE(rd_kafka_assign(handle.get(), list.get()) == RD_KAFKA_RESP_ERR_NO_ERROR);
    std::vector<Received> result;
    const SystemClock clock;
    const TimePoint deadline = clock.now() + std::chrono::seconds(20);
    while (result.size() < count) {
        REQUIRE(clock.now() < deadline);
        rd_kafka_message_t* message = rd_kafka_consumer_poll(handle.get(), 100);
        if (message == nullptr) continue;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            Received got{.partition = message->partition, .offset = message->offset};
            if (message->payload != nullptr)
                got.value.assign(static_cast<const char*>(message->payload), message->len);
            if (message->key != nullptr)
                got.key = std::string(static_cast<const char*>(message->key), message->key_len);
            got.timestamp_ms = rd_kafka_message_timestamp(message, nullptr);
            got.headers = headers_of(*message);
            result.push_back(std::move(got));
        }
        rd_kafka_message_destroy(message);
    }
    return result;
}

void produce_damaged(const std::string& address, const std::string& topic, std::int32_t partition,
                     const std::vector<std::string>& values) {
    const std::string batch = damaged_batch(values);
    constexpr int kProduceVersion = 7;
    Bytes request;
    request.i16(0).i16(kProduceVersion).i32(1).text("damager");
    request.i16(-1).i16(-1).i32(5000);  // No transaction; acknowledged by all.
    request.i32(1).text(topic).i32(1).i32(partition);
    request.i32(static_cast<std::int64_t>(batch.size())).raw(batch);
    Bytes framed;
    framed.i32(static_cast<std::int64_t>(request.str().size())).raw(request.str());

    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
    ::inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    REQUIRE(::write(fd, framed.str().data(), framed.str().size()) ==
            static_cast<ssize_t>(framed.str().size()));
    std::array<char, 256> answer{};
    REQUIRE(::read(fd, answer.data(), answer.size()) > 0);
    ::close(fd);
}

KafkaWorld::KafkaWorld(int brokers) {
    auto started = EmbeddedBroker::start(brokers);
    REQUIRE(started);
    broker = std::move(*started);
}

}  // namespace millrace::operators::test
