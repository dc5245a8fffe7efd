// Writes each row as a record to a Kafka topic, at least once.
//
// The producer is idempotent and shared by the job's sinks; a checkpoint and the end of input wait
// until every record sent so far is acknowledged. A row with a key goes where Kafka's Java producer
// would put it. When the producer's queue is full the sink blocks, and with it what feeds it: no
// record is dropped, and none is held twice.
//
// As the first phase of a two-phase commit the sink only waits (snapshot()); commit() and abort()
// keep their defaults, since what was sent at least once needs no second phase. A staged sink will
// write into the snapshot instead, and publish in commit().
//
//   rows -> encoder -> messages -> librdkafka -> acknowledgements -> ledger -> snapshot() done
//
// Threads:    the task's.
// Ownership:  shares the job's client; its buffer is the slot's.
// Limits:     message.max.bytes a record (longer rows are rejected); the producer's queue limits.
// Failure:    a deleted topic, missing rights, a record that brokers refuse. An unreachable broker
//             is a trouble to show, not a failure.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "memory/segment.h"
#include "operators/format/record_encoder.h"
#include "operators/kafka/dead_letter_record.h"
#include "operators/kafka/delivery_ledger.h"
#include "operators/kafka/kafka_client.h"
#include "operators/kafka/partitioner.h"
#include "operators/kafka/row_key.h"
#include "operators/kafka/topic_watch.h"
#include "operators/operator.h"

namespace millrace::operators {

class KafkaSink final : public Step {
  public:
    static constexpr Duration kTickWaiting = std::chrono::milliseconds(1);
    static constexpr Duration kTickOutstanding = std::chrono::milliseconds(5);
    static constexpr Duration kTopicInterval = std::chrono::minutes(1);
    static constexpr std::size_t kBufferBytes = std::size_t{256} << 10;

    // The time of the Kafka record.
    enum class Timestamp : std::uint8_t { kSending, kEvent };

    struct Options {
        KafkaSettings settings;
        std::string topic;
        std::optional<std::size_t> key;  // Column whose text is the record's key.
        Timestamp timestamp = Timestamp::kSending;
        // Column with the event time; without one it is the time of the source's record.
        std::optional<std::size_t> event_time;
        bool dead_letters = false;  // Rows of errors_schema(): original bytes, reason in headers.
    };

    // `encoder` is not used for dead letters and may be null then.
    KafkaSink(Options options, std::unique_ptr<RecordEncoder> encoder, KafkaClients& clients);

    Status open(OperatorContext& context) override;
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                             Output& output) override;
    Status on_watermark(data::Watermark watermark, Output& output) override;
    Result<Progress> on_end(Output& output) override;
    Result<Progress> snapshot(std::uint64_t checkpoint_id, state::SnapshotWriter& writer) override;
    Status on_tick(Output& output) override;
    [[nodiscard]] TimePoint next_tick() const override;
    [[nodiscard]] std::string trouble() const override;
    void close() noexcept override;

  private:
    struct Gauges {
        metrics::Gauge* records = nullptr;
        metrics::Gauge* bytes = nullptr;
        metrics::Gauge* blocked_seconds = nullptr;
    };

    Status take_buffer(std::size_t bytes);
    Status check_health();
    // True when there is a partition to write to.
    Result<bool> is_ready();
    Status encode(const data::Batch& batch, Output& output);
    Status address(const data::Batch& batch, std::size_t rows, Output& output);
    void group_by_partition();
    // True when all of the encoded rows are with librdkafka.
    Result<bool> send(const data::Batch& batch, Output& output);
    std::size_t send_together();
    std::size_t send_each(const data::Batch& batch);
    rd_kafka_resp_err_t send_one(const data::Batch& batch, std::size_t index);
    rd_kafka_resp_err_t produce(const rd_kafka_message_t& message, KafkaHeaders headers,
                                std::int64_t timestamp_ms);
    [[nodiscard]] std::int64_t event_time(const data::Batch& batch, std::size_t row) const;
    Status settle_refused(const data::Batch& batch, std::size_t tried, Output& output);
    Status reject(const data::Batch& batch, std::size_t row, std::string_view code,
                  std::string_view message, Output& output);
    Progress block();
    Result<Progress> wait_for_acknowledgements();

    const Options options_;
    const std::unique_ptr<RecordEncoder> encoder_;
    KafkaClients& clients_;

    OperatorContext* context_ = nullptr;
    std::shared_ptr<KafkaClient> client_;
    std::shared_ptr<DetachableWaker> waker_;
    std::shared_ptr<DeliveryLedger> ledger_;
    std::unique_ptr<TopicWatch> watch_;
    KafkaTopic topic_;
    Partitioner partitioner_{0};
    std::size_t record_bytes_max_ = 0;
    Gauges gauges_;

    // What of the present batch is on its way.
    memory::Segment buffer_;
    std::vector<rd_kafka_message_t> messages_;  // Encoded and not yet taken by librdkafka.
    std::vector<std::uint32_t> ends_;
    std::vector<std::uint16_t> rows_;  // Of the messages.
    std::vector<RowKey> keys_;
    // Where group_by_partition() puts them, and where each partition's begin.
    std::vector<rd_kafka_message_t> grouped_messages_;
    std::vector<std::uint16_t> grouped_rows_;
    std::vector<std::uint32_t> group_begin_;
    std::size_t sent_ = 0;  // Messages that librdkafka has taken.
    std::size_t row_ = 0;   // Next row to encode.

    bool waiting_ = false;  // kBlocked was said.
    TimePoint blocked_since_{};
    TimePoint tick_at_{};
    TimePoint topic_next_{};
};

}  // namespace millrace::operators
