#include "operators/kafka/kafka_source.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "runtime/base/check.h"

namespace millrace::operators {
namespace {

// Metric names take letters, digits and underscores only.
std::string metric_word(std::string_view text) {
    std::string word(text);
    std::replace_if(
        word.begin(), word.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    return word;
}

std::int64_t timestamp_ms(const rd_kafka_message_t& message) {
    rd_kafka_timestamp_type_t type{};
    const std::int64_t timestamp = rd_kafka_message_timestamp(&message, &type);
    return type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? 0 : timestamp;
}

RawRecord raw(const rd_kafka_message_t& message, std::int32_t split) {
    return {.payload = {static_cast<const char*>(message.payload), message.len},
            .key = {static_cast<const char*>(message.key), message.key_len},
            .position = {
                .split = split, .ordinal = message.offset, .timestamp_ms = timestamp_ms(message)}};
}

}  // namespace

KafkaSource::KafkaSource(Options options, std::unique_ptr<RecordDecoder> decoder,
                         KafkaClients& clients)
    : options_(std::move(options)), clients_(clients), decoder_(std::move(decoder)) {}

Status KafkaSource::open(OperatorContext& context) {
    context_ = &context;
    MILLRACE_TRY_ASSIGN(client_, clients_.client(options_.settings));
    waker_ = std::make_shared<DetachableWaker>(context.waker);
    if (!options_.idle_after) lanes_.push_back({.reader = make_reader()});
    RecordHeaders* const headers = this;
    batcher_ =
        std::make_unique<SourceBatcher>(std::move(decoder_), options_.batching, context, headers);
    lag_ = &context.metrics.gauge(kPendingRecordsMetric,
                                  "pendingRecords (scope: taskmanager_job_task_operator)");
    topic_ = std::make_unique<TopicWatch>(client_, options_.topic, waker_);
    topic_->ask();
    return {};
}

Status KafkaSource::restore(state::SnapshotReader& reader) {
    MILLRACE_TRY_ASSIGN(restored_, read_positions(reader));
    return {};
}

Status KafkaSource::add_splits(std::span<const Split> splits) {
    for (const Split& split : splits) {
        const auto restored =
            std::find_if(restored_.begin(), restored_.end(),
                         [&](const SplitPosition& known) { return known.split == split.index; });
        const std::int64_t start =
            restored == restored_.end() ? split.start_ordinal : restored->next_ordinal;
        const auto number = static_cast<std::size_t>(split.partition);
        if (number >= slot_of_.size()) slot_of_.resize(number + 1, -1);
        MILLRACE_CHECK_EQ(slot_of_[number], -1);
        slot_of_[number] = static_cast<std::int32_t>(partitions_.size());
        metrics::Gauge& offset = context_->metrics.gauge(
            fmt::format("flink_taskmanager_job_task_operator_KafkaSourceReader_topic_{}_partition_"
                        "{}_currentOffset",
                        metric_word(options_.topic), split.partition),
            "currentOffset (scope: taskmanager_job_task_operator)");
        partitions_.push_back({.number = split.partition,
                               .split = split.index,
                               .taken = start,
                               .settled = start,
                               .offset = &offset});
        batcher_->name_split(split.index, split.name);
    }
    // Partitions that were found later are new to the client, too.
    topic_->ask_anew();
    return {};
}

std::unique_ptr<KafkaReader> KafkaSource::make_reader() const {
    return std::make_unique<KafkaReader>(client_, options_.topic, waker_, context_->clock);
}

Status KafkaSource::assign_new() {
    MILLRACE_TRY(check_partitions());
    if (options_.idle_after) return assign_new_lanes();
    std::vector<KafkaReader::Start> starts;
    for (const Partition& partition : std::span(partitions_).subspan(assigned_))
        starts.push_back({.partition = partition.number, .offset = partition.taken});
    MILLRACE_TRY(lanes_.front().reader->assign(starts));
    assigned_ = partitions_.size();
    return {};
}

// Lane i is that of partition i.
Status KafkaSource::assign_new_lanes() {
    for (; assigned_ < partitions_.size(); ++assigned_) {
        const Partition& partition = partitions_[assigned_];
        const KafkaReader::Start start{.partition = partition.number, .offset = partition.taken};
        lanes_.push_back({.reader = make_reader()});
        turns_.push_back(assigned_);
        MILLRACE_TRY(lanes_.back().reader->assign(std::span(&start, 1)));
    }
    return {};
}

Status KafkaSource::check_partitions() const {
    for (const Partition& partition : partitions_) {
        if (partition.number < topic_->partitions()) continue;
        return fail(Code::kNotFound,
                    "Kafka topic {} has {} partitions, but partition {} was to be read. Hint: was "
                    "the topic created again with fewer?",
                    options_.topic, topic_->partitions(), partition.number);
    }
    return {};
}

Status KafkaSource::check_topic() {
    const std::uint64_t doubts = client_->health().topic_doubts();
    if (std::exchange(doubts_seen_, doubts) != doubts) topic_->ask();
    MILLRACE_TRY_ASSIGN(const bool known, topic_->is_known());
    return known ? check_partitions() : Status{};
}

Result<Progress> KafkaSource::poll(Output& output) {
    client_->serve_sometimes();
    if (auto fatal = client_->health().fatal()) return std::unexpected(*std::move(fatal));
    if (assigned_ < partitions_.size()) {
        MILLRACE_TRY_ASSIGN(const bool known, topic_->is_known());
        if (!known) return Progress::kDone;
        MILLRACE_TRY(assign_new());
    }
    if (pending_.empty()) MILLRACE_TRY(fill());
    if (pending_.empty()) return Progress::kDone;
    MILLRACE_TRY(take_pending(output));
    return Progress::kYield;
}

Status KafkaSource::fill() {
    MILLRACE_TRY_ASSIGN(const auto messages,
                        options_.idle_after ? read_oldest_first() : lanes_.front().reader->read());
    for (std::size_t i = 0; i < messages.size(); ++i) {
        const auto number = static_cast<std::size_t>(messages[i]->partition);
        const auto slot = static_cast<std::size_t>(slot_of_[number]);
        records_[i] = raw(*messages[i], partitions_[slot].split);
        slots_[i] = static_cast<std::uint32_t>(slot);
    }
    messages_ = messages;
    pending_ = std::span(records_).first(messages.size());
    pending_slots_ = slots_.data();
    return {};
}

std::span<const RecordHeader> KafkaSource::headers_of(const data::Position& position) {
    const auto records = std::span(records_).first(messages_.size());
    const auto found = std::ranges::find(records, position, &RawRecord::position);
    if (found == records.end()) return {};
    return header_reader_.read(*messages_[static_cast<std::size_t>(found - records.begin())]);
}

Result<std::span<rd_kafka_message_t* const>> KafkaSource::read_oldest_first() {
    std::ranges::sort(turns_, {}, [this](std::size_t lane) {
        return std::pair(lanes_[lane].reached_ms, partitions_[lane].split);
    });
    // The rows of all lanes that wait for each other are to be about one read together.
    const std::size_t count_max =
        std::max<std::size_t>(1, KafkaReader::kMessagesMax / turns_.size());
    for (const std::size_t turn : turns_) {
        Lane& lane = lanes_[turn];
        MILLRACE_TRY_ASSIGN(const auto messages, lane.reader->read(count_max));
        if (!messages.empty()) {
            lane.silent_since.reset();
            for (const rd_kafka_message_t* message : messages)
                lane.reached_ms = std::max(lane.reached_ms, timestamp_ms(*message));
            return messages;
        }
        if (!may_pass_over(lane)) break;
    }
    return std::span<rd_kafka_message_t* const>();
}

bool KafkaSource::may_pass_over(Lane& lane) const {
    if (lane.reader->at_end()) {
        lane.silent_since.reset();
        return true;
    }
    const TimePoint now = context_->clock.now();
    if (!lane.silent_since) lane.silent_since = now;
    return now - *lane.silent_since >= *options_.idle_after;
}

Status KafkaSource::take_pending(Output& output) {
    MILLRACE_TRY_ASSIGN(const std::size_t taken, batcher_->add(pending_, output));
    for (std::size_t i = 0; i < taken; ++i)
        partitions_[pending_slots_[i]].taken = pending_[i].position.ordinal + 1;
    pending_ = pending_.subspan(taken);
    pending_slots_ += taken;
    settle();
    return {};
}

void KafkaSource::settle() {
    if (!batcher_->is_empty()) return;
    for (Partition& partition : partitions_) partition.settled = partition.taken;
}

Result<Progress> KafkaSource::snapshot(std::uint64_t, state::SnapshotWriter& writer) {
    std::vector<SplitPosition> positions;
    positions.reserve(partitions_.size());
    for (const Partition& partition : partitions_)
        positions.push_back({.split = partition.split, .next_ordinal = partition.settled});
    MILLRACE_TRY(write_positions(writer, positions));
    return Progress::kDone;
}

Status KafkaSource::on_tick(Output& output) {
    MILLRACE_TRY(batcher_->on_tick(output));
    settle();
    const TimePoint now = context_->clock.now();
    if (now < watch_next_) return {};
    watch_next_ = now + kWatchInterval;
    client_->serve_sometimes();
    MILLRACE_TRY(check_topic());
    std::int64_t lag = 0;
    for (const Lane& lane : lanes_) {
        MILLRACE_TRY(lane.reader->watch());
        lag += lane.reader->lag();
    }
    lag_->set(static_cast<double>(lag));
    for (const Partition& partition : partitions_)
        partition.offset->set(static_cast<double>(partition.settled) - 1);
    if (assigned_ < partitions_.size()) topic_->ask();
    return {};
}

TimePoint KafkaSource::next_tick() const { return std::min(batcher_->due(), watch_next_); }

std::string KafkaSource::trouble() const {
    std::string trouble = client_->health().trouble();
    return trouble.empty() ? topic_->trouble() : trouble;
}

void KafkaSource::close() noexcept {
    if (waker_ != nullptr) waker_->detach();
    pending_ = {};
    lanes_.clear();
    topic_.reset();
    batcher_.reset();
    client_.reset();
}

}  // namespace millrace::operators
