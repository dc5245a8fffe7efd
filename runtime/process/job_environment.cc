#include "runtime/process/job_environment.h"

#include <algorithm>

#include "operators/kafka/kafka_directory.h"
#include "proto/job.pb.h"

namespace millrace::process {
namespace {

using operators::KafkaConnection;
using operators::KafkaDirectory;
using operators::StartRule;

// Files, sockets and generated streams are one split.
proto::SplitAssignment whole_input(const proto::Source& source) {
    proto::SplitAssignment split;
    split.set_name(source.has_file() ? source.file().path() : source.name());
    return split;
}

StartRule start_rule(const proto::KafkaSource& kafka) {
    if (kafka.start().has_timestamp_ms()) {
        return {.at = StartRule::At::kTimestamp, .timestamp_ms = kafka.start().timestamp_ms()};
    }
    switch (kafka.start().position()) {
        case proto::START_POSITION_EARLIEST:
            return {.at = StartRule::At::kEarliest};
        case proto::START_POSITION_LATEST:
            return {.at = StartRule::At::kLatest};
        default:
            return {.at = StartRule::At::kCommittedOrLatest};
    }
}

std::string group_of(const proto::Job& job, const proto::KafkaSource& kafka) {
    return kafka.has_group() ? kafka.group() : "millrace-" + job.name();
}

std::vector<proto::SplitAssignment> partitions_from(const std::string& topic,
                                                    const std::vector<std::int64_t>& offsets) {
    std::vector<proto::SplitAssignment> splits(offsets.size());
    for (std::size_t i = 0; i < offsets.size(); ++i) {
        splits[i].set_name(topic + "/" + std::to_string(i));
        splits[i].set_topic(topic);
        splits[i].set_partition(static_cast<std::int32_t>(i));
        splits[i].set_start_ordinal(offsets[i]);
    }
    return splits;
}

// The connection that a job file says. Errors: kInvalidOption for a value that a server fills in.
Result<KafkaConnection> connection_in(const proto::KafkaCluster& written) {
    KafkaConnection made{.name = written.name(), .brokers = written.brokers(), .properties = {}};
    for (const proto::Property& property : written.properties()) {
        if (property.value().starts_with("secret:"))
            return fail(Code::kInvalidOption,
                        "kafka.clusters.{}.properties.{} names a secret, and this process keeps "
                        "none. Hint: write \"${{VARIABLE}}\", or name the cluster in the process "
                        "configuration with file:PATH or env:VARIABLE",
                        written.name(), property.name());
        made.properties.emplace_back(property.name(), property.value());
    }
    return made;
}

}  // namespace

void JobEnvironment::offer_clusters(std::vector<KafkaConnection> clusters) {
    clusters_ = std::move(clusters);
}

Result<KafkaConnection> JobEnvironment::connection_of(const proto::Job& job,
                                                      const std::string& cluster) const {
    const auto& own = job.kafka().clusters();
    const auto written = std::ranges::find_if(own, [&](const proto::KafkaCluster& one) {
        return one.name() == cluster || (cluster.empty() && own.size() == 1);
    });
    std::string_view wanted = cluster.empty() ? operators::kDefaultKafkaCluster : cluster;
    if (written != own.end()) wanted = written->name();
    const auto offered = std::ranges::find(clusters_, wanted, &KafkaConnection::name);
    if (written != own.end() && offered != clusters_.end())
        return fail(Code::kInvalidOption,
                    "both the job and this process (--kafka, KAFKA_BROKERS or the configuration) "
                    "say where the Kafka cluster {} is. Hint: choose another name in the job",
                    wanted);
    if (written != own.end()) return connection_in(*written);
    if (offered != clusters_.end()) return *offered;
    return fail(Code::kInvalidOption,
                "no Kafka cluster of this name is configured: {}. Hint: name it in the process "
                "configuration (kafka.clusters.{}.brokers), or give --kafka HOST:PORT for `{}`",
                wanted, wanted, operators::kDefaultKafkaCluster);
}

Result<std::vector<proto::SplitAssignment>> JobEnvironment::resolve(const proto::Job& job,
                                                                    int index) {
    const proto::Source& source = job.sources(index);
    if (!source.has_kafka()) return std::vector{whole_input(source)};
    return kafka_splits(job, source, start_rule(source.kafka()));
}

Result<std::vector<proto::SplitAssignment>> JobEnvironment::look_again(const proto::Job& job,
                                                                       int index) {
    const proto::Source& source = job.sources(index);
    if (!source.has_kafka()) return std::vector{whole_input(source)};
    return kafka_splits(job, source, {.at = StartRule::At::kEarliest});
}

Result<std::vector<proto::SplitAssignment>> JobEnvironment::kafka_splits(
    const proto::Job& job, const proto::Source& source, StartRule rule) {
    const proto::KafkaSource& kafka = source.kafka();
    MILLRACE_TRY_ASSIGN(auto connection, connection_of(job, kafka.cluster()));
    MILLRACE_TRY_ASSIGN(
        const auto directory,
        KafkaDirectory::open(std::move(connection), group_of(job, kafka), clock_, kDeadline));
    MILLRACE_TRY_ASSIGN(const auto offsets, directory->start_offsets(kafka.topic(), rule));
    return partitions_from(kafka.topic(), offsets);
}

Status JobEnvironment::check_sink(const proto::Job& job, int index) {
    const proto::Sink& sink = job.sinks(index);
    if (!sink.has_kafka()) return {};
    MILLRACE_TRY_ASSIGN(auto connection, connection_of(job, sink.kafka().cluster()));
    MILLRACE_TRY_ASSIGN(const auto directory,
                        KafkaDirectory::open(std::move(connection), "", clock_, kDeadline));
    MILLRACE_TRY(directory->partitions(sink.kafka().topic()));
    return {};
}

Result<std::vector<proto::KafkaConnection>> JobEnvironment::connections(const proto::Job& job) {
    std::vector<std::string> names;
    for (const proto::Source& source : job.sources()) {
        if (source.has_kafka()) names.push_back(source.kafka().cluster());
    }
    for (const proto::Sink& sink : job.sinks()) {
        if (sink.has_kafka()) names.push_back(sink.kafka().cluster());
    }
    std::vector<proto::KafkaConnection> made;
    for (const std::string& name : names) {
        MILLRACE_TRY_ASSIGN(const auto connection, connection_of(job, name));
        const bool is_known = std::any_of(
            made.begin(), made.end(),
            [&](const proto::KafkaConnection& known) { return known.name() == connection.name; });
        if (is_known) continue;
        proto::KafkaConnection& one = made.emplace_back();
        one.set_name(connection.name);
        (*one.mutable_properties())["bootstrap.servers"] = connection.brokers;
        for (const auto& [key, value] : connection.properties)
            (*one.mutable_properties())[key] = value;
    }
    return made;
}

}  // namespace millrace::process
