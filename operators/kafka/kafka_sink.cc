#include "operators/kafka/kafka_sink.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <utility>

#include "operators/kafka/kafka_errors.h"
#include "runtime/base/check.h"

namespace millrace::operators {
namespace {

// Records of one call to librdkafka.
constexpr std::size_t kMessagesMax = data::kRowsMax;

std::size_t record_bytes_max(const KafkaClient& client) {
    std::array<char, 32> text{};
    std::size_t size = text.size();
    MILLRACE_CHECK(rd_kafka_conf_get(rd_kafka_conf(client.handle()), "message.max.bytes",
                                     text.data(), &size) == RD_KAFKA_CONF_OK);
    std::size_t bytes = 0;
    std::from_chars(text.data(), text.data() + size, bytes);
    return bytes;
}

}  // namespace

KafkaSink::KafkaSink(Options options, std::unique_ptr<RecordEncoder> encoder, KafkaClients& clients)
    : options_(std::move(options)), encoder_(std::move(encoder)), clients_(clients) {}

Status KafkaSink::open(OperatorContext& context) {
    context_ = &context;
    // What can fail comes first: nobody may ring an operator that was never open.
    if (!options_.dead_letters) MILLRACE_TRY(take_buffer(kBufferBytes));
    MILLRACE_TRY_ASSIGN(client_, clients_.client(options_.settings));
    topic_.reset(rd_kafka_topic_new(client_->handle(), options_.topic.c_str(), nullptr));
    if (topic_ == nullptr)
        return fail(Code::kInvalidArgument, "Kafka topic {} cannot be used: {}", options_.topic,
                    rd_kafka_err2str(rd_kafka_last_error()));
    waker_ = std::make_shared<DetachableWaker>(context.waker);
    ledger_ = std::make_shared<DeliveryLedger>();
    client_->keep(ledger_);
    watch_ = std::make_unique<TopicWatch>(client_, options_.topic, waker_);
    watch_->ask();
    topic_next_ = context.clock.now() + kTopicInterval;
    partitioner_ = Partitioner(context.subtask);
    record_bytes_max_ = record_bytes_max(*client_);
    messages_.reserve(kMessagesMax);
    ends_.resize(kMessagesMax);
    rows_.reserve(kMessagesMax);
    grouped_messages_.reserve(options_.key ? kMessagesMax : 0);
    grouped_rows_.reserve(options_.key ? kMessagesMax : 0);
    keys_.resize(options_.key ? kMessagesMax : 0);
    const auto gauge = [&](std::string_view name) {
        return &context.metrics.gauge(
            fmt::format("flink_taskmanager_job_task_operator_{}", name),
            fmt::format("{} (scope: taskmanager_job_task_operator)", name));
    };
    gauges_ = {.records = gauge("numRecordsSend"),
               .bytes = gauge("numBytesSend"),
               .blocked_seconds = &context.metrics.gauge(
                   "millrace_sink_blocked_seconds",
                   "How long the sink has been waiting for room in the producer's queue.")};
    return {};
}

Status KafkaSink::take_buffer(std::size_t bytes) {
    buffer_.release();
    MILLRACE_TRY_ASSIGN(buffer_, context_->slot.allocate(context_->owner, bytes));
    return {};
}

Status KafkaSink::check_health() {
    client_->serve();
    if (auto fatal = client_->health().fatal()) return std::unexpected(*std::move(fatal));
    if (auto failure = ledger_->failure()) return std::unexpected(*std::move(failure));
    return {};
}

Result<bool> KafkaSink::is_ready() {
    MILLRACE_TRY_ASSIGN(const bool known, watch_->is_known());
    if (known) partitioner_.set_partitions(watch_->partitions());
    return known;
}

Result<Progress> KafkaSink::process(const data::BatchPtr& batch, std::uint32_t, Output& output) {
    MILLRACE_TRY(check_health());
    MILLRACE_TRY_ASSIGN(const bool ready, is_ready());
    if (!ready) return block();
    while (row_ < batch->rows() || sent_ < messages_.size()) {
        if (sent_ == messages_.size()) MILLRACE_TRY(encode(*batch, output));
        MILLRACE_TRY_ASSIGN(const bool all_sent, send(*batch, output));
        if (!all_sent) return block();
    }
    row_ = 0;
    partitioner_.end_batch();
    waiting_ = false;
    gauges_.blocked_seconds->set(0);
    tick_at_ = context_->clock.now() + kTickOutstanding;
    return Progress::kDone;
}

// Fills messages_ with the next rows, as many as the buffer takes.
Status KafkaSink::encode(const data::Batch& batch, Output& output) {
    messages_.clear();
    rows_.clear();
    sent_ = 0;
    std::size_t rows = std::min(batch.rows() - row_, kMessagesMax);
    if (!options_.dead_letters) {
        const std::span room(reinterpret_cast<char*>(buffer_.data()), buffer_.size());
        rows = encoder_->encode(batch, row_, room, std::span(ends_).first(rows));
        if (rows == 0 && buffer_.size() <= record_bytes_max_)
            return take_buffer(buffer_.size() * 2);
        if (rows == 0) {
            const std::string text =
                fmt::format("the record is longer than message.max.bytes, {}", record_bytes_max_);
            return reject(batch, row_++, "too_long", text, output);
        }
    }
    return address(batch, rows, output);
}

// Gives the encoded rows their keys and partitions; a row without the key it needs is rejected.
Status KafkaSink::address(const data::Batch& batch, std::size_t rows, Output& output) {
    char* bytes = reinterpret_cast<char*>(buffer_.data());
    for (std::size_t i = 0; i < rows; ++i) {
        const std::size_t row = row_ + i;
        std::optional<std::string_view> payload;
        std::optional<std::string_view> key;
        if (options_.dead_letters) {
            payload = dead_letter_payload(batch, row);
            key = dead_letter_key(batch, row);
        } else {
            const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
            payload = std::string_view(bytes + begin, ends_[i] - begin);
        }
        if (options_.key) {
            key = keys_[i].of(batch.column(*options_.key),
                              batch.schema()->fields()[*options_.key].type, row);
            if (!key) {
                MILLRACE_TRY(reject(batch, row, "null_key", "the record's key is null", output));
                continue;
            }
        }
        rd_kafka_message_t message{};
        message._private = ledger_.get();
        message.partition = key ? partitioner_.of_key(*key) : partitioner_.without_key();
        if (payload) {
            message.payload = const_cast<char*>(payload->data());
            message.len = payload->size();
        }
        if (key) {
            message.key = const_cast<char*>(key->data());
            message.key_len = key->size();
        }
        messages_.push_back(message);
        rows_.push_back(static_cast<std::uint16_t>(row));
    }
    row_ += rows;
    if (options_.key && partitioner_.partitions() > 1) group_by_partition();
    return {};
}

// Puts the messages in the order of their partitions, those of one partition in the order of their
// rows. librdkafka then locks each partition once, and what it allocates for a partition lies in
// the order in which its sender walks: otherwise every step of that walk misses the cache.
void KafkaSink::group_by_partition() {
    group_begin_.assign(static_cast<std::size_t>(partitioner_.partitions()) + 1, 0);
    for (const rd_kafka_message_t& message : messages_)
        ++group_begin_[static_cast<std::size_t>(message.partition) + 1];
    std::partial_sum(group_begin_.begin(), group_begin_.end(), group_begin_.begin());
    grouped_messages_.resize(messages_.size());
    grouped_rows_.resize(rows_.size());
    for (std::size_t i = 0; i < messages_.size(); ++i) {
        const std::uint32_t to = group_begin_[static_cast<std::size_t>(messages_[i].partition)]++;
        grouped_messages_[to] = messages_[i];
        grouped_rows_[to] = rows_[i];
    }
    messages_.swap(grouped_messages_);
    rows_.swap(grouped_rows_);
}

Result<bool> KafkaSink::send(const data::Batch& batch, Output& output) {
    if (sent_ == messages_.size()) return true;
    const bool each = options_.dead_letters || options_.timestamp == Timestamp::kEvent;
    const std::size_t tried = each ? send_each(batch) : send_together();
    MILLRACE_TRY(settle_refused(batch, tried, output));
    return sent_ == messages_.size();
}

// Hands all open messages to librdkafka in one call; their `err` says what became of them.
std::size_t KafkaSink::send_together() {
    const auto open = std::span(messages_).subspan(sent_);
    rd_kafka_produce_batch(topic_.get(), RD_KAFKA_PARTITION_UA,
                           RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_PARTITION, open.data(),
                           static_cast<int>(open.size()));
    return open.size();
}

// One call a record: what has headers or a time of its own cannot go in batches.
std::size_t KafkaSink::send_each(const data::Batch& batch) {
    std::size_t tried = 0;
    while (sent_ + tried < messages_.size()) {
        rd_kafka_message_t& message = messages_[sent_ + tried];
        message.err = send_one(batch, sent_ + tried);
        ++tried;
        if (message.err == RD_KAFKA_RESP_ERR__QUEUE_FULL) break;
    }
    return tried;
}

rd_kafka_resp_err_t KafkaSink::send_one(const data::Batch& batch, std::size_t index) {
    const std::size_t row = rows_[index];
    std::int64_t timestamp_ms = 0;  // Now.
    if (options_.timestamp == Timestamp::kEvent) timestamp_ms = event_time(batch, row);
    if (!options_.dead_letters) return produce(messages_[index], {}, timestamp_ms);
    const auto headers = [&](DeadLetterParts parts) {
        return dead_letter_headers(batch, row, context_->job, context_->clock.wall_ms(), parts);
    };
    const rd_kafka_resp_err_t error =
        produce(messages_[index], headers(DeadLetterParts::kAll), timestamp_ms);
    if (error != RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) return error;
    // With our headers it is longer than a record may be: its position is what can be kept.
    rd_kafka_message_t& message = messages_[index];
    message.payload = message.key = nullptr;
    message.len = message.key_len = 0;
    return produce(message, headers(DeadLetterParts::kPositionOnly), timestamp_ms);
}

rd_kafka_resp_err_t KafkaSink::produce(const rd_kafka_message_t& message, KafkaHeaders headers,
                                       std::int64_t timestamp_ms) {
    const rd_kafka_resp_err_t error = rd_kafka_producev(
        client_->handle(), RD_KAFKA_V_RKT(topic_.get()), RD_KAFKA_V_PARTITION(message.partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(message.payload, message.len),
        RD_KAFKA_V_KEY(message.key, message.key_len), RD_KAFKA_V_OPAQUE(message._private),
        RD_KAFKA_V_TIMESTAMP(timestamp_ms), RD_KAFKA_V_HEADERS(headers.get()), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) static_cast<void>(headers.release());
    return error;
}

// 0, which means now, where there is none.
std::int64_t KafkaSink::event_time(const data::Batch& batch, std::size_t row) const {
    if (!options_.event_time) return batch.positions().timestamp_ms[row];
    const data::Column& times = batch.column(*options_.event_time);
    return times.is_null(row) ? 0 : times.as<std::int64_t>()[row];
}

// Goes through what librdkafka was offered: counts what it took, rejects what it never will take,
// and keeps the rest for the next attempt.
Status KafkaSink::settle_refused(const data::Batch& batch, std::size_t tried, Output& output) {
    std::size_t taken = 0;
    std::size_t bytes = 0;
    std::size_t done = 0;
    Status status;
    for (; done < tried && status; ++done) {
        const rd_kafka_message_t& message = messages_[sent_ + done];
        if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            ++taken;
            bytes += message.len;
        } else if (message.err == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            break;
        } else if (message.err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
            status = reject(batch, rows_[sent_ + done], "too_long",
                            "the record is longer than message.max.bytes", output);
        } else {
            status = std::unexpected(kafka_error(message.err, options_.settings.connection.brokers,
                                                 "cannot write to topic " + options_.topic, ""));
        }
    }
    sent_ += done;
    ledger_->sent(taken);
    gauges_.records->set(gauges_.records->value() + static_cast<double>(taken));
    gauges_.bytes->set(gauges_.bytes->value() + static_cast<double>(bytes));
    return status;
}

Status KafkaSink::reject(const data::Batch& batch, std::size_t row, std::string_view code,
                         std::string_view message, Output& output) {
    return output.reject({.code = code,
                          .message = message,
                          .field = {},
                          .payload = {},
                          .key = {},
                          .position = batch.positions().at(row),
                          .split = {}});
}

Progress KafkaSink::block() {
    const TimePoint now = context_->clock.now();
    if (!std::exchange(waiting_, true)) blocked_since_ = now;
    gauges_.blocked_seconds->set(std::chrono::duration<double>(now - blocked_since_).count());
    tick_at_ = now + kTickWaiting;
    return Progress::kBlocked;
}

Result<Progress> KafkaSink::wait_for_acknowledgements() {
    MILLRACE_TRY(check_health());
    MILLRACE_TRY_ASSIGN(const bool settled, ledger_->is_settled());
    if (!settled) return block();
    waiting_ = false;
    gauges_.blocked_seconds->set(0);
    return Progress::kDone;
}

Status KafkaSink::on_watermark(data::Watermark, Output&) { return {}; }

Result<Progress> KafkaSink::on_end(Output&) { return wait_for_acknowledgements(); }

Result<Progress> KafkaSink::snapshot(std::uint64_t, state::SnapshotWriter&) {
    return wait_for_acknowledgements();
}

Status KafkaSink::on_tick(Output&) {
    MILLRACE_TRY(check_health());
    const TimePoint now = context_->clock.now();
    if (now >= topic_next_ ||
        (waiting_ && !watch_->is_asking() && partitioner_.partitions() == 0)) {
        topic_next_ = now + kTopicInterval;
        watch_->ask();
    }
    MILLRACE_TRY_ASSIGN(const bool ready, is_ready());
    static_cast<void>(ready);
    if (waiting_) {
        tick_at_ = now + kTickWaiting;
        context_->waker.wake();
    } else {
        MILLRACE_TRY_ASSIGN(const bool settled, ledger_->is_settled());
        tick_at_ = settled ? TimePoint::max() : now + kTickOutstanding;
    }
    return {};
}

TimePoint KafkaSink::next_tick() const { return std::min(tick_at_, topic_next_); }

std::string KafkaSink::trouble() const {
    client_->serve_sometimes();  // An idle sink has no other occasion to hear of its broker.
    std::string trouble = client_->health().trouble();
    return trouble.empty() ? watch_->trouble() : trouble;
}

void KafkaSink::close() noexcept {
    if (waker_ != nullptr) waker_->detach();
    topic_.reset();
    watch_.reset();
    buffer_.release();
    client_.reset();
}

}  // namespace millrace::operators
