// Writes to and reads from a real Kafka broker, for tests: simple, blocking, complete.
//
// A thin wrapper of librdkafka's C API, independent of the product's operators on purpose.
//
// Threads:    one owner; blocks the caller.
// Ownership:  owns its librdkafka handles.
// Limits:     every call has a deadline; read_all() keeps all records in memory.
// Failure:    a Status with librdkafka's own words.

#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/status.h"
#include "tests/support/eventually.h"

namespace millrace::support {

struct KafkaRecord {
    std::int32_t partition = -1;    // When producing, -1 lets the key or the dice choose.
    std::int64_t offset = -1;       // Not used when producing.
    std::int64_t timestamp_ms = 0;  // 0 when producing: now.
    std::optional<std::string> key{};
    std::optional<std::string> value{};  // None is a record without value (null).
    std::vector<std::pair<std::string, std::string>> headers{};
};

// The broker that ./tests/run started (`HOST:PORT`); skips the case when there is none.
[[nodiscard]] std::string kafka_brokers_or_skip();

// A topic name that no other case uses, starting with `stem`.
[[nodiscard]] std::string unique_topic(std::string_view stem);

class KafkaClient {
  public:
    enum class Isolation { kReadCommitted, kReadUncommitted };
    // First offset and the offset after the last record.
    struct Watermarks {
        std::int64_t low = 0;
        std::int64_t high = 0;
    };

    explicit KafkaClient(std::string brokers);
    KafkaClient(const KafkaClient&) = delete;
    KafkaClient& operator=(const KafkaClient&) = delete;
    ~KafkaClient();

    // Returns when the topic can be written to. `config` holds topic settings, for example
    // {"max.message.bytes", "2000000"}. Errors: kAlreadyExists, kUnavailable.
    Status create_topic(const std::string& topic, int partition_count,
                        const std::map<std::string, std::string>& config = {});
    // Errors: kNotFound, kUnavailable.
    Status delete_topic(const std::string& topic);

    // Writes `records` and returns when the broker has acknowledged every one.
    Status produce(const std::string& topic, const std::vector<KafkaRecord>& records);
    Status produce_values(const std::string& topic, const std::vector<std::string>& values);

    // Everything in the topic up to the end as it is now, each partition in order of offset.
    Result<std::vector<KafkaRecord>> read_all(const std::string& topic,
                                              Isolation isolation = Isolation::kReadCommitted,
                                              std::chrono::milliseconds patience = kPatience);
    // Reads again until there are at least `count` records. Errors: kDeadlineExceeded, with how
    // many there were.
    Result<std::vector<KafkaRecord>> read_at_least(const std::string& topic, std::size_t count,
                                                   std::chrono::milliseconds patience = kPatience);

    // Partition by partition. Errors: kNotFound when there is no such topic.
    Result<std::vector<Watermarks>> watermarks(const std::string& topic);
    // All records between the watermarks: what is in the topic if nothing is transactional.
    Result<std::int64_t> record_count(const std::string& topic);

    [[nodiscard]] const std::string& brokers() const { return brokers_; }

  private:
    struct Handles;

    const std::string brokers_;
    const std::unique_ptr<Handles> handles_;
};

}  // namespace millrace::support
