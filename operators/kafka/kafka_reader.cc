#include "operators/kafka/kafka_reader.h"

#include <algorithm>
#include <utility>

#include "operators/kafka/kafka_errors.h"
#include "operators/kafka/partition_marks.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"

namespace millrace::operators {
namespace {

void ring(rd_kafka_t*, void* opaque) { static_cast<DetachableWaker*>(opaque)->wake(); }

// Puts a partition's own queue in front of the reader's, with what it holds already. May be
// repeated.
void forward(rd_kafka_t* client, const std::string& topic, std::int32_t number,
             rd_kafka_queue_t* target) {
    const KafkaQueue own(rd_kafka_queue_get_partition(client, topic.c_str(), number));
    MILLRACE_CHECK(own != nullptr);
    rd_kafka_queue_forward(own.get(), target);
}

FetchQueueLimits limits_of(const KafkaClient& client) {
    return fetch_queue_limits(client.settings().memory, client.settings().readers);
}

std::string text_of(const rd_kafka_message_t& message) {
    const char* text = rd_kafka_message_errstr(&message);
    return text == nullptr ? rd_kafka_err2str(message.err) : text;
}

}  // namespace

MarksBoard::Marks MarksBoard::marks(std::size_t index) const {
    const MutexLock lock(mutex_);
    return marks_[index];
}

void MarksBoard::resize(std::size_t size) {
    const MutexLock lock(mutex_);
    marks_.resize(size);
}

void MarksBoard::set(std::size_t index, const Marks& marks) {
    const MutexLock lock(mutex_);
    marks_[index] = marks;
}

KafkaReader::KafkaReader(std::shared_ptr<KafkaClient> client, std::string topic,
                         std::shared_ptr<DetachableWaker> waker, const Clock& clock)
    : client_(std::move(client)),
      topic_(std::move(topic)),
      waker_(std::move(waker)),
      clock_(clock),
      queue_(rd_kafka_queue_new(client_->handle())),
      hint_records_(limits_of(*client_).records / 4),
      hint_bytes_(limits_of(*client_).kilobytes * 1024 / 4) {
    rd_kafka_queue_cb_event_enable(queue_.get(), ring, waker_.get());
}

KafkaReader::~KafkaReader() {
    release();
    rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
    if (partitions_.empty()) return;
    std::vector<std::size_t> all(partitions_.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    const KafkaPartitions ours = list(all);
    const KafkaError error(rd_kafka_incremental_unassign(client_->handle(), ours.get()));
    if (error != nullptr)
        log::debug("kafka: partitions of {} were not given back: {}", topic_,
                   rd_kafka_error_string(error.get()));
}

Status KafkaReader::assign(std::span<const Start> starts) {
    std::vector<std::size_t> added;
    for (const Start& start : starts) {
        const auto number = static_cast<std::size_t>(start.partition);
        if (number >= index_of_.size()) index_of_.resize(number + 1, -1);
        MILLRACE_CHECK_EQ(index_of_[number], -1);
        index_of_[number] = static_cast<std::int32_t>(partitions_.size());
        added.push_back(partitions_.size());
        partitions_.push_back({.number = start.partition, .cursor = PartitionCursor(start.offset)});
        forward(client_->handle(), topic_, start.partition, queue_.get());
    }
    marks_->resize(partitions_.size());
    const KafkaPartitions wanted = list(added);
    const KafkaError error(rd_kafka_incremental_assign(client_->handle(), wanted.get()));
    if (error == nullptr) return {};
    return fail(code_of(rd_kafka_error_code(error.get())), "cannot assign partitions of {}: {}",
                topic_, rd_kafka_error_string(error.get()));
}

Result<std::span<rd_kafka_message_t* const>> KafkaReader::read(std::size_t count_max) {
    MILLRACE_CHECK(count_max > 0 && count_max <= kMessagesMax);
    release();
    if (out_of_range_) {
        MILLRACE_TRY(fail_out_of_range(*out_of_range_));
        return std::span<rd_kafka_message_t* const>();
    }
    const ssize_t taken =
        rd_kafka_consume_batch_queue(queue_.get(), 0, messages_.data(), count_max);
    const auto count = static_cast<std::size_t>(std::max<ssize_t>(taken, 0));
    std::size_t records = 0;
    Status status;
    for (std::size_t i = 0; i < count; ++i) {
        rd_kafka_message_t* message = messages_[i];
        const bool is_record = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (is_record && partition(message->partition).cursor.on_record(message->offset)) {
            bytes_since_hint_ += message->len;
            messages_[records++] = message;
            continue;
        }
        if (!is_record && status) status = on_event(*message);
        rd_kafka_message_destroy(message);
    }
    held_ = records;
    last_read_empty_ = count == 0;
    if (last_read_empty_) note_empty();
    MILLRACE_TRY(std::move(status));
    MILLRACE_TRY(assign_again());
    hint_room(records);
    return std::span<rd_kafka_message_t* const>(messages_.data(), records);
}

void KafkaReader::release() {
    for (std::size_t i = 0; i < held_; ++i) rd_kafka_message_destroy(messages_[i]);
    held_ = 0;
}

void KafkaReader::hint_room(std::size_t records) {
    records_since_hint_ += records;
    if (records_since_hint_ < hint_records_ && bytes_since_hint_ < hint_bytes_) return;
    records_since_hint_ = 0;
    bytes_since_hint_ = 0;
    client_->hint_room();
}

Status KafkaReader::on_event(const rd_kafka_message_t& message) {
    const auto number = static_cast<std::size_t>(message.partition);
    const bool ours = message.rkt != nullptr && message.partition >= 0 &&
                      number < index_of_.size() && index_of_[number] >= 0;
    if (!ours) {
        client_->health().on_error(message.err, text_of(message));
        return {};
    }
    Partition& where = partition(message.partition);
    if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        where.cursor.on_end(message.offset);
        return {};
    }
    const auto what = fmt::format("{} {}", topic_, message.partition);
    if (client_->health().may_log(what + rd_kafka_err2name(message.err)))
        log::warn("kafka: {}/{} at offset {}: {}", topic_, message.partition,
                  where.cursor.position(), text_of(message));
    return act(where, where.cursor.on_error(message.err), text_of(message));
}

Status KafkaReader::act(Partition& where, PartitionCursor::Reaction reaction,
                        std::string_view text) {
    switch (reaction) {
        case PartitionCursor::Reaction::kNothing:
            return {};
        case PartitionCursor::Reaction::kAssignAgain:
            if (where.cursor.errors() == 1) where.fault = text;
            return {};
        case PartitionCursor::Reaction::kOutOfRange:
            out_of_range_ = static_cast<std::size_t>(&where - partitions_.data());
            return {};
        case PartitionCursor::Reaction::kCorrupt:
            return std::unexpected(located(
                Code::kCorruption, where,
                fmt::format("a record batch cannot be read: {}. Hint: the log is damaged there; "
                            "start behind it, or restore the partition",
                            where.fault)));
        case PartitionCursor::Reaction::kGone:
            return std::unexpected(
                located(Code::kNotFound, where,
                        "the topic or partition does not exist any more; was it deleted?"));
        case PartitionCursor::Reaction::kDenied:
            return std::unexpected(
                located(Code::kPermissionDenied, where, "reading is not allowed by the ACLs"));
    }
    return {};
}

Status KafkaReader::fail_out_of_range(std::size_t index) {
    if (out_of_range_question_ == 0) {
        // A question that is on its way already may have been asked too early: ask once more.
        if (marks_->asking()) return {};
        ask_marks();
        out_of_range_question_ = questions_;
    }
    const MarksBoard::Marks marks = marks_->marks(index);
    if (marks.asked < out_of_range_question_) return {};
    std::string range = "its range could not be asked for";
    if (marks.known && marks.low == marks.high) {
        range = fmt::format("it is empty now, and its next offset is {}", marks.high);
    } else if (marks.known) {
        range = fmt::format("it holds offsets {} to {}", marks.low, marks.high - 1);
    }
    return std::unexpected(located(
        Code::kInvalidArgument, partitions_[index],
        fmt::format("the offset is out of range, {}. Hint: records were deleted by retention or "
                    "the topic was created again; choose another `start`",
                    range)));
}

Status KafkaReader::assign_again() {
    std::vector<std::size_t> again;
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
        if (partitions_[i].cursor.is_to_assign()) again.push_back(i);
    }
    if (again.empty()) return {};
    const KafkaPartitions wanted = list(again);
    KafkaError error(rd_kafka_incremental_unassign(client_->handle(), wanted.get()));
    if (error == nullptr) error.reset(rd_kafka_incremental_assign(client_->handle(), wanted.get()));
    if (error != nullptr)
        return fail(code_of(rd_kafka_error_code(error.get())),
                    "cannot assign partitions of {} again: {}", topic_,
                    rd_kafka_error_string(error.get()));
    // Stopping a partition has taken its forward away. What came before this line waits in the
    // partition's own queue and moves along.
    for (const std::size_t i : again) {
        forward(client_->handle(), topic_, partitions_[i].number, queue_.get());
        partitions_[i].cursor.on_assigned();
    }
    return {};
}

void KafkaReader::note_empty() {
    const TimePoint now = clock_.now();
    if (now - last_empty_ > kPauseMax) {
        for (Partition& where : partitions_) where.cursor.on_pause();
    }
    last_empty_ = now;
}

bool KafkaReader::has_read_all() const {
    return last_read_empty_ && clock_.now() - last_empty_ <= kPauseMax && queued() == 0;
}

Status KafkaReader::watch() {
    if (has_read_all()) {
        for (std::size_t i = 0; i < partitions_.size(); ++i) {
            Partition& where = partitions_[i];
            const MarksBoard::Marks marks = marks_->marks(i);
            if (marks.asked == where.judged) continue;
            where.judged = marks.asked;
            const auto high = marks.known ? std::optional(marks.high) : std::nullopt;
            if (where.cursor.is_stalled(high, clock_.now()))
                return std::unexpected(located(
                    Code::kCorruption, where,
                    fmt::format("nothing comes although the partition goes on to offset {}. Hint: "
                                "a record batch may be damaged there",
                                marks.high)));
        }
    }
    if (clock_.now() >= ask_next_) ask_marks();
    return {};
}

void KafkaReader::ask_marks() {
    if (partitions_.empty() || !marks_->begin()) return;
    ask_next_ = clock_.now() + kMarksInterval;
    std::vector<std::int32_t> numbers;
    numbers.reserve(partitions_.size());
    for (const Partition& partition : partitions_) numbers.push_back(partition.number);
    const Status queued =
        client_->run_blocking([board = marks_, waker = waker_, topic = topic_, asked = ++questions_,
                               numbers = std::move(numbers)](KafkaClient& client) {
            constexpr int kTimeoutMs = 5000;
            std::vector<PartitionMarks> found;
            const bool known = ask_partition_marks(client.handle(), topic, numbers, kTimeoutMs,
                                                   found) == RD_KAFKA_RESP_ERR_NO_ERROR;
            found.resize(numbers.size());
            for (std::size_t i = 0; i < numbers.size(); ++i)
                board->set(
                    i,
                    {.low = found[i].low, .high = found[i].high, .asked = asked, .known = known});
            board->finish();
            waker->wake();
        });
    if (!queued) marks_->finish();  // The next interval asks again.
}

std::int64_t KafkaReader::lag() const {
    std::int64_t lag = 0;
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
        const MarksBoard::Marks marks = marks_->marks(i);
        if (marks.known)
            lag += std::max<std::int64_t>(marks.high - partitions_[i].cursor.position(), 0);
    }
    return lag;
}

std::int64_t KafkaReader::position(std::int32_t number) const {
    return partition(number).cursor.position();
}

bool KafkaReader::at_end() const {
    return std::all_of(partitions_.begin(), partitions_.end(),
                       [](const Partition& partition) { return partition.cursor.at_end(); });
}

KafkaReader::Partition& KafkaReader::partition(std::int32_t number) {
    return partitions_[static_cast<std::size_t>(index_of_[static_cast<std::size_t>(number)])];
}

const KafkaReader::Partition& KafkaReader::partition(std::int32_t number) const {
    return partitions_[static_cast<std::size_t>(index_of_[static_cast<std::size_t>(number)])];
}

KafkaPartitions KafkaReader::list(std::span<const std::size_t> indices) const {
    KafkaPartitions result(rd_kafka_topic_partition_list_new(static_cast<int>(indices.size())));
    for (const std::size_t i : indices) {
        rd_kafka_topic_partition_list_add(result.get(), topic_.c_str(), partitions_[i].number)
            ->offset = partitions_[i].cursor.position();
    }
    return result;
}

Error KafkaReader::located(Code code, const Partition& where, std::string_view what) const {
    return Error{code, fmt::format("Kafka topic {}, partition {}, offset {}: {}", topic_,
                                   where.number, where.cursor.position(), what)};
}

}  // namespace millrace::operators
