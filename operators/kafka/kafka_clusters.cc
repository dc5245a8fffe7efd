#include "operators/kafka/kafka_clusters.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace millrace::operators {
namespace {

constexpr std::string_view kPrefix = "kafka.clusters.";

// kafka.clusters.CLUSTER.PROPERTY; no property means the brokers.
struct ClusterKey {
    std::string_view cluster;
    std::optional<std::string_view> property;
};

// Errors: what is wrong with the key, with its hint.
Result<ClusterKey> parse_key(std::string_view key) {
    if (key.starts_with(kPrefix)) {
        const std::string_view rest = key.substr(kPrefix.size());
        const std::size_t dot = rest.find('.');
        const std::string_view cluster = rest.substr(0, dot);
        const std::string_view word = dot == std::string_view::npos ? "" : rest.substr(dot + 1);
        constexpr std::string_view kProperties = "properties.";
        if (!cluster.empty() && word == "brokers") return ClusterKey{cluster, std::nullopt};
        if (!cluster.empty() && word.starts_with(kProperties) && word.size() > kProperties.size())
            return ClusterKey{cluster, word.substr(kProperties.size())};
    }
    return fail(Code::kInvalidOption,
                "unknown key. Hint: write kafka.clusters.NAME.brokers, or "
                "kafka.clusters.NAME.properties. and librdkafka's name.");
}

std::string without_line_end(std::string text) {
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
    return text;
}

// The value, or what it refers to.
Result<std::string> resolve(const std::string& value, const ReferenceReader& reader) {
    constexpr std::string_view kFile = "file:";
    constexpr std::string_view kVariable = "env:";
    const auto name_behind = [&](std::string_view prefix) { return value.substr(prefix.size()); };
    Result<std::string> found = value;
    if (value.starts_with(kFile)) {
        found = reader.file(name_behind(kFile));
        if (found) found = without_line_end(*std::move(found));
    } else if (value.starts_with(kVariable)) {
        auto variable = reader.variable(name_behind(kVariable));
        if (!variable)
            return fail(Code::kInvalidOption, "no such environment variable is set: {}.",
                        name_behind(kVariable));
        found = *std::move(variable);
    }
    if (!found)
        return fail(Code::kInvalidOption, "cannot read {}: {}.", value, found.error().message);
    if (found->empty())
        return fail(Code::kInvalidOption, "the value{} is empty.",
                    *found == value ? "" : " at " + value);
    if (found->size() > kValueBytesMax)
        return fail(Code::kInvalidOption, "the value{} has more than {} bytes.",
                    value.size() > kValueBytesMax ? "" : " at " + value, kValueBytesMax);
    if (found->find('\0') != std::string::npos)
        return fail(Code::kInvalidOption, "the value has a byte of 0 in it.");
    return found;
}

// Each property by itself, so that a problem has its line.
Status check_property(const std::string& name, const std::string& value) {
    for (const KafkaRole role : {KafkaRole::kSource, KafkaRole::kSink}) {
        const KafkaSettings alone{
            .connection = {.name = "", .brokers = "localhost", .properties = {{name, value}}},
            .role = role,
            .group = "",
            .node_properties = {},
            .memory = {}};
        if (const auto conf = make_conf(alone); !conf) return std::unexpected(conf.error());
    }
    return {};
}

class ClusterReader {
  public:
    explicit ClusterReader(const ReferenceReader& reader) : reader_(reader) {}

    void read(const memory::Setting& setting) {
        if (Status taken = take(setting); !taken)
            problems_.push_back(
                fmt::format("{}: {}", memory::place_of(setting), taken.error().message));
    }

    Result<std::vector<KafkaConnection>> finish() {
        for (const KafkaConnection& cluster : clusters_) {
            if (!keys_.contains(fmt::format("{}{}.brokers", kPrefix, cluster.name)))
                problems_.push_back(
                    fmt::format("kafka.clusters.{0}: it has no brokers. Hint: set "
                                "kafka.clusters.{0}.brokers=HOST:PORT.",
                                cluster.name));
        }
        if (problems_.empty()) return std::move(clusters_);
        return fail(Code::kInvalidOption,
                    "the configuration of Kafka clusters is not valid ({} problem{})\n  {}",
                    problems_.size(), problems_.size() == 1 ? "" : "s",
                    fmt::join(problems_, "\n  "));
    }

  private:
    Status take(const memory::Setting& setting) {
        MILLRACE_TRY_ASSIGN(const ClusterKey key, parse_key(setting.key));
        KafkaConnection& cluster = cluster_named(key.cluster);
        if (!keys_.insert(setting.key).second)
            return fail(Code::kInvalidOption, "set twice. Hint: remove one of them.");
        MILLRACE_TRY_ASSIGN(std::string value, resolve(setting.value, reader_));
        if (!key.property) {
            cluster.brokers = std::move(value);
            return {};
        }
        MILLRACE_TRY(check_property(std::string(*key.property), value));
        cluster.properties.emplace_back(*key.property, std::move(value));
        return {};
    }

    KafkaConnection& cluster_named(std::string_view name) {
        const auto known = std::ranges::find(clusters_, name, &KafkaConnection::name);
        if (known != clusters_.end()) return *known;
        return clusters_.emplace_back(
            KafkaConnection{.name = std::string(name), .brokers = "", .properties = {}});
    }

    const ReferenceReader& reader_;
    std::vector<KafkaConnection> clusters_;
    std::vector<std::string> problems_;
    std::set<std::string> keys_;  // Seen so far.
};

}  // namespace

bool is_kafka_key(std::string_view key) { return key.starts_with("kafka."); }

Result<std::vector<KafkaConnection>> kafka_clusters_of(std::span<const memory::Setting> settings,
                                                       const ReferenceReader& reader) {
    ClusterReader clusters(reader);
    for (const memory::Setting& setting : settings) {
        if (is_kafka_key(setting.key)) clusters.read(setting);
    }
    return clusters.finish();
}

}  // namespace millrace::operators
