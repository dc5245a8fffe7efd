// Reads the partitions of a Kafka topic that the JobManager gave to this subtask.
//
// Positions are Kafka offsets: a snapshot holds, for each partition, the offset of the first record
// that was not emitted, and a restore reads on from there. Offsets are never taken from the group.
// A broker that is away, or a topic that cannot be asked for just now, is a trouble that is shown
// (trouble()) and not a failure; librdkafka reconnects by itself.
//
// Partitions come as librdkafka fetches them or, when a model is trained in canonical order, the
// one first whose records have reached the oldest time, so that none runs far ahead of another one
// in the rows that wait for their turn. One with records on the way is waited for, at most
// `idle_after`; one that was read to its end is passed over.
//
// Threads:    the task's.
// Ownership:  shares the job's client; owns its queue there.
// Limits:     one batch a poll; the job's fetch queue limits.
// Failure:    a damaged batch, an offset out of range, a deleted topic, missing rights: each names
//             topic, partition and offset.

#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "operators/kafka/header_reader.h"
#include "operators/kafka/kafka_client.h"
#include "operators/kafka/kafka_reader.h"
#include "operators/kafka/topic_watch.h"
#include "operators/operator.h"
#include "operators/source_batcher.h"
#include "operators/split_positions.h"

namespace millrace::operators {

class KafkaSource final : public Source, private RecordHeaders {
  public:
    static constexpr Duration kWatchInterval = std::chrono::seconds(1);

    struct Options {
        KafkaSettings settings;
        std::string topic;
        BatchingOptions batching;
        // Set: the oldest partition first.
        std::optional<Duration> idle_after{};
    };

    KafkaSource(Options options, std::unique_ptr<RecordDecoder> decoder, KafkaClients& clients);

    Status open(OperatorContext& context) override;
    Status restore(state::SnapshotReader& reader) override;
    Status add_splits(std::span<const Split> splits) override;
    Result<Progress> poll(Output& output) override;
    Result<Progress> snapshot(std::uint64_t checkpoint_id, state::SnapshotWriter& writer) override;
    Status on_tick(Output& output) override;
    [[nodiscard]] TimePoint next_tick() const override;
    [[nodiscard]] std::string trouble() const override;
    void close() noexcept override;

  private:
    struct Partition {
        std::int32_t number = 0;
        std::int32_t split = 0;
        std::int64_t taken = 0;    // Next offset to decode.
        std::int64_t settled = 0;  // Everything below was emitted or rejected.
        metrics::Gauge* offset = nullptr;
    };

    // A queue of the client that is read by itself: of one partition, or of all.
    struct Lane {
        std::unique_ptr<KafkaReader> reader;
        std::int64_t reached_ms = std::numeric_limits<std::int64_t>::min();
        std::optional<TimePoint> silent_since{};  // Has records to come, but none is here.
    };

    std::span<const RecordHeader> headers_of(const data::Position& position) override;
    [[nodiscard]] std::unique_ptr<KafkaReader> make_reader() const;
    Status assign_new();
    Status assign_new_lanes();
    // Asks for the topic when the client doubts it, and fails when it is gone.
    Status check_topic();
    Status check_partitions() const;
    Status fill();
    // The lanes in the order of their times, until one has records.
    Result<std::span<rd_kafka_message_t* const>> read_oldest_first();
    // Nothing came from this lane. Whether the others may go on.
    bool may_pass_over(Lane& lane) const;
    Status take_pending(Output& output);
    void settle();

    const Options options_;
    KafkaClients& clients_;
    std::unique_ptr<RecordDecoder> decoder_;  // Until open().

    OperatorContext* context_ = nullptr;
    std::shared_ptr<KafkaClient> client_;
    std::shared_ptr<DetachableWaker> waker_;
    std::unique_ptr<TopicWatch> topic_;
    std::vector<Lane> lanes_;
    std::vector<std::size_t> turns_;  // Places in `lanes_`; reused.
    std::unique_ptr<SourceBatcher> batcher_;
    metrics::Gauge* lag_ = nullptr;

    std::vector<SplitPosition> restored_;
    std::vector<Partition> partitions_;
    std::size_t assigned_ = 0;           // The first so many are with the reader.
    std::vector<std::int32_t> slot_of_;  // By partition number: place in `partitions_`.
    std::array<RawRecord, KafkaReader::kMessagesMax> records_;
    std::array<std::uint32_t, KafkaReader::kMessagesMax> slots_;  // Of the records' partitions.
    std::span<rd_kafka_message_t* const> messages_;               // Those that `records_` are of.
    HeaderReader header_reader_;
    std::span<const RawRecord> pending_;
    const std::uint32_t* pending_slots_ = nullptr;
    TimePoint watch_next_{};
    std::uint64_t doubts_seen_ = 0;
};

}  // namespace millrace::operators
