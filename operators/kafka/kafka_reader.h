// Reads the partitions of one source subtask from the job's shared consumer.
//
// The partitions' queues are forwarded into one queue of the reader before they are assigned, so
// each task takes exactly its own records, without a lock between tasks. Partitions are assigned
// one reader at a time (`incremental_assign`, which leaves the other readers' fetches alone), only
// between reads; nothing is ever subscribed, paused or sought.
//
//   brokers -> librdkafka -> partition queues -> this reader's queue -> read() -> the source
//
// Threads:    the task's; librdkafka rings the waker from its own.
// Ownership:  owns the messages handed out until the next read() or release().
// Limits:     kMessagesMax a read; the client's fetch queue limits.
// Failure:    kCorruption, kInvalidArgument (offset out of range), kNotFound (topic deleted),
//             kPermissionDenied; each names topic, partition and offset. An unreachable broker is
//             no failure: see ClusterHealth.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "operators/kafka/kafka_client.h"
#include "operators/kafka/kafka_handles.h"
#include "operators/kafka/partition_cursor.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_annotations.h"

namespace millrace::operators {

// First and next-to-come offset of each of a reader's partitions, as a broker told them.
class MarksBoard {
  public:
    struct Marks {
        std::int64_t low = 0;
        std::int64_t high = 0;
        std::uint64_t asked = 0;  // Which question this answers; 0 = none yet.
        bool known = false;       // False: that question was not answered.
    };

    [[nodiscard]] Marks marks(std::size_t index) const MILLRACE_EXCLUDES(mutex_);
    void resize(std::size_t size) MILLRACE_EXCLUDES(mutex_);
    void set(std::size_t index, const Marks& marks) MILLRACE_EXCLUDES(mutex_);
    // True when the caller may ask now; finish() ends the question.
    bool begin() { return !asking_.exchange(true, std::memory_order_acq_rel); }
    void finish() { asking_.store(false, std::memory_order_release); }
    [[nodiscard]] bool asking() const { return asking_.load(std::memory_order_acquire); }

  private:
    mutable Mutex mutex_;
    std::vector<Marks> marks_ MILLRACE_GUARDED_BY(mutex_);
    std::atomic<bool> asking_{false};
};

class KafkaReader {
  public:
    static constexpr std::size_t kMessagesMax = 1000;
    static constexpr Duration kMarksInterval = std::chrono::seconds(5);
    // A reader that has not read all there was for so long is not reading on its own pace.
    static constexpr Duration kPauseMax = kMarksInterval;

    struct Start {
        std::int32_t partition = 0;
        std::int64_t offset = 0;
    };

    KafkaReader(std::shared_ptr<KafkaClient> client, std::string topic,
                std::shared_ptr<DetachableWaker> waker, const Clock& clock);
    KafkaReader(const KafkaReader&) = delete;
    KafkaReader& operator=(const KafkaReader&) = delete;
    ~KafkaReader();

    // Begins to read more partitions. REQUIRES: the topic was learned (KafkaClient::learn_topic).
    Status assign(std::span<const Start> starts);

    // Takes what is there, at most `count_max` messages, all of them records, in order within
    // their partition. Gives the previous ones back. REQUIRES: 0 < count_max <= kMessagesMax.
    Result<std::span<rd_kafka_message_t* const>> read(std::size_t count_max = kMessagesMax);
    void release();

    // Asks brokers for the ends of the log now and then, and finds partitions that have stalled.
    // To be called about once a second.
    Status watch();

    // Records between the position and the end of the log, as of the last answer.
    [[nodiscard]] std::int64_t lag() const;
    // Records that librdkafka holds for this reader.
    [[nodiscard]] std::size_t queued() const { return rd_kafka_queue_length(queue_.get()); }
    [[nodiscard]] std::int64_t position(std::int32_t partition) const;
    // True when every partition was read to its end, as of now.
    [[nodiscard]] bool at_end() const;

  private:
    struct Partition {
        std::int32_t number;
        PartitionCursor cursor;
        std::uint64_t judged = 0;  // The question whose answer the watchdog has used.
        std::string fault;  // The first error since the last progress: later ones follow from it.
    };

    Partition& partition(std::int32_t number);
    [[nodiscard]] const Partition& partition(std::int32_t number) const;
    Status on_event(const rd_kafka_message_t& message);
    Status act(Partition& where, PartitionCursor::Reaction reaction, std::string_view text);
    // Fails once the range is known that the offset is out of.
    Status fail_out_of_range(std::size_t index);
    Status assign_again();
    KafkaPartitions list(std::span<const std::size_t> indices) const;
    // A read brought nothing.
    void note_empty();
    // True when that is so just now, and was so now and then in the time before.
    [[nodiscard]] bool has_read_all() const;
    void ask_marks();
    void hint_room(std::size_t records);
    Error located(Code code, const Partition& where, std::string_view what) const;

    const std::shared_ptr<KafkaClient> client_;
    const std::string topic_;
    const std::shared_ptr<DetachableWaker> waker_;
    const Clock& clock_;
    const KafkaQueue queue_;

    std::vector<Partition> partitions_;
    std::vector<std::int32_t> index_of_;  // By partition number; -1 = not ours.
    std::array<rd_kafka_message_t*, kMessagesMax> messages_{};
    std::size_t held_ = 0;
    bool last_read_empty_ = false;
    TimePoint last_empty_{};
    // librdkafka is told of room in a queue when a quarter of its limits was taken out.
    const std::size_t hint_records_;
    const std::size_t hint_bytes_;
    std::size_t records_since_hint_ = 0;
    std::size_t bytes_since_hint_ = 0;
    std::uint64_t questions_ = 0;
    TimePoint ask_next_{};
    std::optional<std::size_t> out_of_range_;
    std::uint64_t out_of_range_question_ = 0;
    std::shared_ptr<MarksBoard> marks_ = std::make_shared<MarksBoard>();
};

}  // namespace millrace::operators
