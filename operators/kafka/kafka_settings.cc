#include "operators/kafka/kafka_settings.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>

namespace millrace::operators {
namespace {

constexpr int kVersionWithQueueBackoff = 0x02030000;

struct Setting {
    std::string_view name;
    std::string_view value;
};

// Each line is needed for a promise that Millrace makes; operators/kafka/README.md says which.
constexpr std::array kRequiredOfAll = {
    Setting{"socket.nagle.disable", "true"},
    Setting{"reconnect.backoff.max.ms", "1000"},
    Setting{"statistics.interval.ms", "5000"},
};
constexpr std::array kRequiredOfReaders = {
    Setting{"allow.auto.create.topics", "false"}, Setting{"enable.auto.commit", "false"},
    Setting{"enable.auto.offset.store", "false"}, Setting{"auto.offset.reset", "error"},
    Setting{"isolation.level", "read_committed"}, Setting{"check.crcs", "true"},
    Setting{"enable.partition.eof", "true"},
};
constexpr std::array kRequiredOfSinks = {
    Setting{"acks", "all"},
    Setting{"enable.idempotence", "true"},
};
// Set before what the user says, so that the user may change them.
constexpr std::array kDefaultsOfAll = {
    Setting{"client.id", "millrace"},
    Setting{"socket.connection.setup.timeout.ms", "10000"},
    Setting{"topic.metadata.refresh.interval.ms", "60000"},
    // How long an unknown topic is taken for one that is just being created.
    Setting{"topic.metadata.propagation.max.ms", "10000"},
};
constexpr std::array kDefaultsOfSources = {
    Setting{"fetch.max.bytes", "8388608"},
    // An exhausted partition must not hold back the next fetch of its neighbours.
    Setting{"fetch.wait.max.ms", "50"},
};
constexpr std::array kDefaultsOfSinks = {
    Setting{"compression.type", "lz4"},
    Setting{"linger.ms", "25"},
    // A broker that is away for an hour is no reason to fail: the sink blocks instead.
    Setting{"message.timeout.ms", "0"},
};

// These have a key of their own, which would silently beat the property.
constexpr std::array kWrittenElsewhere = {
    Setting{"bootstrap.servers", "`brokers` of the cluster"},
    Setting{"metadata.broker.list", "`brokers` of the cluster"},
    Setting{"group.id", "`group` of the source"},
};

constexpr std::array<std::string_view, 6> kSourceProperties = {"fetch.max.bytes",
                                                               "fetch.min.bytes",
                                                               "fetch.wait.max.ms",
                                                               "max.partition.fetch.bytes",
                                                               "queued.max.messages.kbytes",
                                                               "queued.min.messages"};
constexpr std::array<std::string_view, 7> kSinkProperties = {
    "batch.num.messages",  "batch.size", "compression.level", "compression.type",
    "delivery.timeout.ms", "linger.ms",  "message.max.bytes"};

Status set(rd_kafka_conf_t& conf, const std::string& name, const std::string& value) {
    std::array<char, 512> text{};
    if (rd_kafka_conf_set(&conf, name.c_str(), value.c_str(), text.data(), text.size()) !=
        RD_KAFKA_CONF_OK)
        return fail(Code::kInvalidOption,
                    "Kafka property {} cannot be used: {}. Hint: librdkafka's CONFIGURATION.md has "
                    "the names and their values",
                    name, text.data());
    return {};
}

Status set_all(rd_kafka_conf_t& conf, std::span<const Setting> settings) {
    for (const Setting& setting : settings)
        MILLRACE_TRY(set(conf, std::string(setting.name), std::string(setting.value)));
    return {};
}

std::vector<Setting> required_of(KafkaRole role) {
    std::vector<Setting> settings(kRequiredOfAll.begin(), kRequiredOfAll.end());
    if (role == KafkaRole::kSink)
        settings.insert(settings.end(), kRequiredOfSinks.begin(), kRequiredOfSinks.end());
    else
        settings.insert(settings.end(), kRequiredOfReaders.begin(), kRequiredOfReaders.end());
    return settings;
}

Status refuse_required(const KafkaProperties& properties, std::span<const Setting> required) {
    for (const auto& [name, value] : properties) {
        const auto same = [&](const Setting& setting) { return setting.name == name; };
        if (std::any_of(required.begin(), required.end(), same))
            return fail(Code::kInvalidOption,
                        "Kafka property {} is set by Millrace and cannot be changed. Hint: remove "
                        "it from `properties`",
                        name);
    }
    return {};
}

Status refuse_written_elsewhere(const KafkaProperties& properties) {
    for (const auto& [name, value] : properties) {
        const auto* const found = std::ranges::find(kWrittenElsewhere, name, &Setting::name);
        if (found != kWrittenElsewhere.end())
            return fail(Code::kInvalidOption,
                        "Kafka property {} cannot be set. Hint: write it as {}", name,
                        found->value);
    }
    return {};
}

Status set_queue_limits(rd_kafka_conf_t& conf, const KafkaSettings& settings) {
    if (settings.role == KafkaRole::kSink) {
        const std::size_t bytes = settings.memory.producer_bytes;
        const std::size_t records = std::max<std::size_t>(bytes / kSentRecordOverheadBytes, 1000);
        MILLRACE_TRY(set(conf, "queue.buffering.max.kbytes",
                         std::to_string(std::max<std::size_t>(bytes / 1024, 1))));
        return set(conf, "queue.buffering.max.messages", std::to_string(records));
    }
    if (settings.role != KafkaRole::kSource) return {};
    const FetchQueueLimits limits = fetch_queue_limits(settings.memory, settings.readers);
    MILLRACE_TRY(set(conf, "queued.max.messages.kbytes", std::to_string(limits.kilobytes)));
    MILLRACE_TRY(set(conf, "queued.min.messages", std::to_string(limits.records)));
    return has_fetch_queue_backoff() ? set(conf, "fetch.queue.backoff.ms", "10") : Status{};
}

// A property may make a queue smaller than the job's memory allows, not larger.
Status check_limit(const rd_kafka_conf_t& conf, const char* name, std::size_t most) {
    std::array<char, 64> text{};
    std::size_t size = text.size();
    if (rd_kafka_conf_get(&conf, name, text.data(), &size) != RD_KAFKA_CONF_OK) return {};
    const std::size_t value = std::strtoull(text.data(), nullptr, 10);
    if (value <= most) return {};
    return fail(Code::kInvalidOption,
                "Kafka property {} is {}, and the memory of this client allows {}. Hint: lower it",
                name, value, most);
}

Status check_queue_limits(const rd_kafka_conf_t& conf, const KafkaSettings& settings) {
    if (settings.role == KafkaRole::kSink) {
        return check_limit(conf, "queue.buffering.max.kbytes",
                           std::max<std::size_t>(settings.memory.producer_bytes / 1024, 1));
    }
    if (settings.role != KafkaRole::kSource) return {};
    const FetchQueueLimits limits = fetch_queue_limits(settings.memory, settings.readers);
    MILLRACE_TRY(check_limit(conf, "queued.max.messages.kbytes", limits.kilobytes));
    MILLRACE_TRY(check_limit(conf, "queued.min.messages", limits.records));
    return check_limit(conf, "fetch.max.bytes", kFetchBytesMax);
}

constexpr std::array<std::string_view, 4> kQueueProperties = {
    "fetch.max.bytes", "queue.buffering.max.kbytes", "queued.max.messages.kbytes",
    "queued.min.messages"};

Status set_queue_properties(rd_kafka_conf_t& conf, const KafkaProperties& properties) {
    for (const auto& [name, value] : properties) {
        if (std::find(kQueueProperties.begin(), kQueueProperties.end(), name) !=
            kQueueProperties.end())
            MILLRACE_TRY(set(conf, name, value));
    }
    return {};
}

}  // namespace

FetchQueueLimits fetch_queue_limits(const KafkaMemory& memory, std::size_t readers) {
    const std::size_t overshoot = std::min(kFetchBytesMax, memory.consumer_bytes / 2);
    const std::size_t share =
        (memory.consumer_bytes - overshoot) / std::max<std::size_t>(readers, 1);
    // Half for payloads, half for what librdkafka adds to each record.
    return {
        .kilobytes = std::max<std::size_t>(share / 2 / 1024, 1),
        .records = std::clamp<std::size_t>(share / 2 / kFetchedRecordOverheadBytes, 1, 10'000'000)};
}

Status check_node_property(KafkaRole role, std::string_view name) {
    const std::span<const std::string_view> allowed =
        role == KafkaRole::kSink ? std::span<const std::string_view>(kSinkProperties)
                                 : std::span<const std::string_view>(kSourceProperties);
    if (std::find(allowed.begin(), allowed.end(), name) != allowed.end()) return {};
    std::string words;
    for (const std::string_view word : allowed)
        words += (words.empty() ? "" : ", ") + std::string(word);
    return fail(Code::kPermissionDenied,
                "a job may not set the Kafka property {}. Hint: allowed here are {}; others belong "
                "to the connection, `kafka.clusters`",
                name, words);
}

Result<KafkaConf> make_conf(const KafkaSettings& settings) {
    KafkaConf conf(rd_kafka_conf_new());
    const std::vector<Setting> required = required_of(settings.role);
    MILLRACE_TRY(set_all(*conf, kDefaultsOfAll));
    if (settings.role == KafkaRole::kSource) MILLRACE_TRY(set_all(*conf, kDefaultsOfSources));
    if (settings.role == KafkaRole::kSink) MILLRACE_TRY(set_all(*conf, kDefaultsOfSinks));
    MILLRACE_TRY(set_queue_limits(*conf, settings));
    MILLRACE_TRY(refuse_required(settings.connection.properties, required));
    MILLRACE_TRY(refuse_written_elsewhere(settings.connection.properties));
    for (const auto& [name, value] : settings.connection.properties)
        MILLRACE_TRY(set(*conf, name, value));
    for (const auto& [name, value] : settings.node_properties) {
        MILLRACE_TRY(check_node_property(settings.role, name));
        MILLRACE_TRY(set(*conf, name, value));
    }
    MILLRACE_TRY(check_queue_limits(*conf, settings));
    MILLRACE_TRY(set_all(*conf, required));
    MILLRACE_TRY(set(*conf, "bootstrap.servers", settings.connection.brokers));
    // librdkafka asks for a group wherever partitions are assigned; it is joined by nobody.
    if (settings.role != KafkaRole::kSink)
        MILLRACE_TRY(set(*conf, "group.id", settings.group.empty() ? "millrace" : settings.group));
    return conf;
}

Status check_queue_properties(const KafkaSettings& settings) {
    KafkaConf conf(rd_kafka_conf_new());
    if (settings.role == KafkaRole::kSource) MILLRACE_TRY(set_all(*conf, kDefaultsOfSources));
    MILLRACE_TRY(set_queue_limits(*conf, settings));
    MILLRACE_TRY(set_queue_properties(*conf, settings.connection.properties));
    MILLRACE_TRY(set_queue_properties(*conf, settings.node_properties));
    return check_queue_limits(*conf, settings);
}

std::string kafka_library_version() { return rd_kafka_version_str(); }

bool has_fetch_queue_backoff() { return rd_kafka_version() >= kVersionWithQueueBackoff; }

}  // namespace millrace::operators
