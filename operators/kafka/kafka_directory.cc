#include "operators/kafka/kafka_directory.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "operators/kafka/kafka_errors.h"

namespace millrace::operators {
namespace {

// One attempt; what is wrong with a connection is known after one or two.
constexpr Duration kAttempt = std::chrono::seconds(1);
constexpr Duration kPatience = std::chrono::seconds(2);

int milliseconds(Duration duration) {
    return static_cast<int>(
        std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

std::vector<std::int64_t> offsets_of(const rd_kafka_topic_partition_list_t& list) {
    std::vector<std::int64_t> offsets;
    offsets.reserve(static_cast<std::size_t>(list.cnt));
    for (int i = 0; i < list.cnt; ++i) offsets.push_back(list.elems[i].offset);
    return offsets;
}

rd_kafka_resp_err_t first_error(const rd_kafka_topic_partition_list_t& list) {
    for (int i = 0; i < list.cnt; ++i) {
        if (list.elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) return list.elems[i].err;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

}  // namespace

KafkaDirectory::KafkaDirectory(std::shared_ptr<KafkaClient> client, const Clock& clock,
                               Duration deadline)
    : client_(std::move(client)), clock_(clock), deadline_(deadline) {}

Result<std::unique_ptr<KafkaDirectory>> KafkaDirectory::open(KafkaConnection connection,
                                                             std::string group, const Clock& clock,
                                                             Duration deadline) {
    KafkaSettings settings{.connection = std::move(connection),
                           .role = KafkaRole::kDirectory,
                           .group = std::move(group)};
    const RunBlocking here = [](const std::function<void()>& work) {
        work();
        return Status();
    };
    MILLRACE_TRY_ASSIGN(auto client, KafkaClient::start(std::move(settings), clock, here));
    return std::unique_ptr<KafkaDirectory>(new KafkaDirectory(std::move(client), clock, deadline));
}

int KafkaDirectory::timeout_ms() const { return milliseconds(deadline_); }

Error KafkaDirectory::failure(rd_kafka_resp_err_t error, std::string_view what) {
    client_->serve();
    // What the connection itself said explains more than "timed out" or "broker transport failure".
    const bool vague =
        error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__TIMED_OUT ||
        error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || error == RD_KAFKA_RESP_ERR__WAIT_COORD;
    if (auto cause = client_->health().trouble_error(); vague && cause) return *std::move(cause);
    return kafka_error(error, client_->settings().connection.brokers, what, "");
}

Result<KafkaMetadata> KafkaDirectory::ask(const std::string* topic) {
    const std::string what = topic == nullptr ? fmt::format("cannot ask Kafka cluster {} at {}",
                                                            client_->settings().connection.name,
                                                            client_->settings().connection.brokers)
                                              : fmt::format("cannot use topic {}", *topic);
    KafkaTopic one(topic == nullptr
                       ? nullptr
                       : rd_kafka_topic_new(client_->handle(), topic->c_str(), nullptr));
    if (topic != nullptr && one == nullptr)
        return std::unexpected(failure(rd_kafka_last_error(), what));
    const TimePoint begin = clock_.now();
    while (true) {
        const rd_kafka_metadata_t* raw = nullptr;
        const rd_kafka_resp_err_t error =
            rd_kafka_metadata(client_->handle(), topic == nullptr ? 1 : 0, one.get(), &raw,
                              milliseconds(std::min(kAttempt, deadline_)));
        KafkaMetadata metadata(raw);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (topic != nullptr && metadata->topic_cnt == 1 && metadata->topics[0].err != 0)
                return std::unexpected(failure(metadata->topics[0].err, what));
            return metadata;
        }
        client_->serve();
        const auto trouble = client_->health().trouble_error();
        const Duration spent = clock_.now() - begin;
        const bool clear = trouble && (trouble->code != Code::kUnavailable || spent >= kPatience);
        if (clear || spent >= deadline_) return std::unexpected(failure(error, what));
    }
}

Result<std::vector<KafkaTopicInfo>> KafkaDirectory::topics() {
    MILLRACE_TRY_ASSIGN(const KafkaMetadata metadata, ask(nullptr));
    std::vector<KafkaTopicInfo> topics;
    for (int i = 0; i < metadata->topic_cnt; ++i) {
        const std::string_view name = metadata->topics[i].topic;
        if (name.starts_with("__")) continue;
        topics.push_back({std::string(name), metadata->topics[i].partition_cnt});
    }
    return topics;
}

Result<std::int32_t> KafkaDirectory::partitions(const std::string& topic) {
    MILLRACE_TRY_ASSIGN(const KafkaMetadata metadata, ask(&topic));
    return metadata->topics[0].partition_cnt;
}

Result<KafkaPartitions> KafkaDirectory::list_of(const std::string& topic) {
    MILLRACE_TRY_ASSIGN(const std::int32_t count, partitions(topic));
    KafkaPartitions list(rd_kafka_topic_partition_list_new(count));
    for (std::int32_t i = 0; i < count; ++i)
        rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), i);
    return list;
}

Result<std::vector<PartitionMarks>> KafkaDirectory::marks(const std::string& topic) {
    MILLRACE_TRY_ASSIGN(const std::int32_t count, partitions(topic));
    std::vector<std::int32_t> numbers(static_cast<std::size_t>(count));
    std::iota(numbers.begin(), numbers.end(), 0);
    std::vector<PartitionMarks> marks;
    const rd_kafka_resp_err_t error =
        ask_partition_marks(client_->handle(), topic, numbers, timeout_ms(), marks);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return std::unexpected(
            failure(error, fmt::format("cannot ask for the offsets of topic {}", topic)));
    return marks;
}

Result<std::vector<std::int64_t>> KafkaDirectory::start_offsets(const std::string& topic,
                                                                StartRule rule) {
    MILLRACE_TRY_ASSIGN(const auto marks, this->marks(topic));
    std::vector<std::int64_t> offsets;
    if (rule.at == StartRule::At::kCommittedOrLatest) {
        MILLRACE_TRY_ASSIGN(offsets, committed_offsets(topic));
    } else if (rule.at == StartRule::At::kTimestamp) {
        MILLRACE_TRY_ASSIGN(offsets, offsets_at(topic, rule.timestamp_ms));
    }
    offsets.resize(marks.size(), RD_KAFKA_OFFSET_INVALID);
    for (std::size_t i = 0; i < marks.size(); ++i) {
        if (rule.at == StartRule::At::kEarliest) offsets[i] = marks[i].low;
        if (offsets[i] < 0) offsets[i] = marks[i].high;
    }
    return offsets;
}

Result<std::vector<std::int64_t>> KafkaDirectory::committed_offsets(const std::string& topic) {
    MILLRACE_TRY_ASSIGN(const KafkaPartitions list, list_of(topic));
    rd_kafka_resp_err_t error = rd_kafka_committed(client_->handle(), list.get(), timeout_ms());
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = first_error(*list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return std::unexpected(failure(error, fmt::format("cannot ask for the offsets of group {}",
                                                          client_->settings().group)));
    return offsets_of(*list);
}

Result<std::vector<std::int64_t>> KafkaDirectory::offsets_at(const std::string& topic,
                                                             std::int64_t time_ms) {
    MILLRACE_TRY_ASSIGN(const KafkaPartitions list, list_of(topic));
    for (int i = 0; i < list->cnt; ++i) list->elems[i].offset = time_ms;
    rd_kafka_resp_err_t error =
        rd_kafka_offsets_for_times(client_->handle(), list.get(), timeout_ms());
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = first_error(*list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return std::unexpected(
            failure(error, fmt::format("cannot look up a time in topic {}", topic)));
    return offsets_of(*list);
}

Status KafkaDirectory::create_topic(const std::string& topic, std::int32_t partitions,
                                    std::int32_t replicas) {
    std::array<char, 512> text{};
    const KafkaNewTopic wanted(
        rd_kafka_NewTopic_new(topic.c_str(), partitions, replicas, text.data(), text.size()));
    if (wanted == nullptr)
        return fail(Code::kInvalidArgument, "cannot create topic {}: {}", topic, text.data());
    const KafkaAdminOptions options(
        rd_kafka_AdminOptions_new(client_->handle(), RD_KAFKA_ADMIN_OP_CREATETOPICS));
    rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms(), text.data(),
                                              text.size());
    rd_kafka_AdminOptions_set_operation_timeout(options.get(), timeout_ms(), text.data(),
                                                text.size());
    const KafkaQueue answers(rd_kafka_queue_new(client_->handle()));
    rd_kafka_NewTopic_t* topics[] = {wanted.get()};
    rd_kafka_CreateTopics(client_->handle(), topics, 1, options.get(), answers.get());
    const KafkaEvent event(rd_kafka_queue_poll(answers.get(), timeout_ms() + 1000));
    const std::string what = "cannot create topic " + topic;
    if (event == nullptr) return std::unexpected(failure(RD_KAFKA_RESP_ERR__TIMED_OUT, what));
    if (const auto error = rd_kafka_event_error(event.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return std::unexpected(failure(error, what));
    std::size_t count = 0;
    const auto** results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(event.get()), &count);
    if (count != 1) return fail(Code::kInternal, "{}: no answer about it", what);
    const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[0]);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return wait_for(topic, partitions);
    const char* reason = rd_kafka_topic_result_error_string(results[0]);
    return std::unexpected(kafka_error(error, client_->settings().connection.brokers, what,
                                       reason == nullptr ? "" : reason));
}

// Brokers learn of a new topic one after the other, some time after it was created.
Status KafkaDirectory::wait_for(const std::string& topic, std::int32_t partitions) {
    constexpr int kPauseMs = 20;
    const TimePoint end = clock_.now() + deadline_;
    while (true) {
        const auto metadata = ask(&topic);
        bool ready = metadata && (*metadata)->topics[0].partition_cnt == partitions;
        for (std::int32_t i = 0; ready && i < partitions; ++i)
            ready = (*metadata)->topics[0].partitions[i].leader >= 0;
        if (ready) return {};
        if (clock_.now() >= end)
            return fail(Code::kDeadlineExceeded, "topic {} was created and has no leaders yet",
                        topic);
        rd_kafka_poll(client_->handle(), kPauseMs);
    }
}

}  // namespace millrace::operators
