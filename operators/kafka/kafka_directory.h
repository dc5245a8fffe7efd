// What a Kafka cluster holds, asked and answered at once: for the JobManager and the command line.
//
// Checks at submit that brokers, topics and credentials are right, and turns a job's `start` into
// offsets. It is also the place of the few administrative calls (creating topics for the demo).
//
// Threads:    one at a time; every call may block until its deadline, so never a worker.
// Ownership:  owns a client of its own.
// Limits:     `deadline` a call.
// Failure:    kUnavailable or kDeadlineExceeded (no broker), kPermissionDenied (credentials, ACLs),
//             kNotFound (topic), kAlreadyExists, kInvalidOption; each with its cause and a hint.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "operators/kafka/kafka_client.h"
#include "operators/kafka/kafka_settings.h"
#include "operators/kafka/partition_marks.h"
#include "runtime/base/clock.h"
#include "runtime/base/status.h"

namespace millrace::operators {

struct KafkaTopicInfo {
    std::string name;
    std::int32_t partitions = 0;
};

struct StartRule {
    enum class At : std::uint8_t { kEarliest, kLatest, kCommittedOrLatest, kTimestamp };
    At at = At::kCommittedOrLatest;
    std::int64_t timestamp_ms = 0;  // kTimestamp: the first record at or after it, else latest.
};

class KafkaDirectory {
  public:
    // `group`: whose committed offsets are asked for. Errors: kInvalidOption.
    static Result<std::unique_ptr<KafkaDirectory>> open(
        KafkaConnection connection, std::string group, const Clock& clock,
        Duration deadline = std::chrono::seconds(10));

    // All topics but Kafka's own; an answer also shows that the cluster can be reached.
    Result<std::vector<KafkaTopicInfo>> topics();
    Result<std::int32_t> partitions(const std::string& topic);
    // Of partitions 0, 1, ...
    Result<std::vector<PartitionMarks>> marks(const std::string& topic);
    // The offset to start at, for partitions 0, 1, ...
    Result<std::vector<std::int64_t>> start_offsets(const std::string& topic, StartRule rule);
    // Returns when the topic can be used.
    Status create_topic(const std::string& topic, std::int32_t partitions,
                        std::int32_t replicas = 1);

  private:
    KafkaDirectory(std::shared_ptr<KafkaClient> client, const Clock& clock, Duration deadline);

    // Asks until an answer comes, the deadline passes, or the cause of the silence is clear.
    Result<KafkaMetadata> ask(const std::string* topic);
    Status wait_for(const std::string& topic, std::int32_t partitions);
    Result<KafkaPartitions> list_of(const std::string& topic);
    Error failure(rd_kafka_resp_err_t error, std::string_view what);
    Result<std::vector<std::int64_t>> committed_offsets(const std::string& topic);
    Result<std::vector<std::int64_t>> offsets_at(const std::string& topic, std::int64_t time_ms);
    [[nodiscard]] int timeout_ms() const;

    const std::shared_ptr<KafkaClient> client_;
    const Clock& clock_;
    const Duration deadline_;
};

}  // namespace millrace::operators
