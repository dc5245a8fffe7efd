#include "operators/kafka/client_plan.h"

#include <algorithm>
#include <tuple>

#include "memory/byte_size.h"
#include "proto/job.pb.h"

namespace millrace::operators {
namespace {

// What makes two nodes share a client.
struct ClientKey {
    KafkaRole role = KafkaRole::kSource;
    std::string cluster;
    std::string group;
    std::vector<std::pair<std::string, std::string>> properties;

    bool operator==(const ClientKey&) const = default;
};

// A node without a cluster means the only one in the file, else the server's `default`.
std::string cluster_of(const proto::Job& job, const std::string& named) {
    if (!named.empty()) return named;
    return job.kafka().clusters_size() == 1 ? job.kafka().clusters(0).name() : "default";
}

template <class Properties>
std::vector<std::pair<std::string, std::string>> pairs_of(const Properties& properties) {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const proto::Property& property : properties)
        pairs.emplace_back(property.name(), property.value());
    return pairs;
}

ClientKey key_of(const proto::Job& job, const proto::Source& source) {
    const proto::KafkaSource& kafka = source.kafka();
    return {.role = KafkaRole::kSource,
            .cluster = cluster_of(job, kafka.cluster()),
            .group = kafka.has_group() ? kafka.group() : "millrace-" + job.name(),
            .properties = pairs_of(kafka.properties())};
}

ClientKey key_of(const proto::Job& job, const proto::Sink& sink) {
    return {.role = KafkaRole::kSink,
            .cluster = cluster_of(job, sink.kafka().cluster()),
            .group = {},
            .properties = pairs_of(sink.kafka().properties())};
}

KafkaProperties connection_properties(const proto::Job& job, const std::string& cluster) {
    for (const proto::KafkaCluster& known : job.kafka().clusters()) {
        if (known.name() == cluster) return pairs_of(known.properties());
    }
    return {};
}

class ClientList {
  public:
    explicit ClientList(const proto::Job& job) : job_(job) {}

    PlannedClient& of(ClientKey key) {
        const auto found = std::find(keys_.begin(), keys_.end(), key);
        if (found != keys_.end()) return clients_[static_cast<std::size_t>(found - keys_.begin())];
        clients_.push_back({.role = key.role,
                            .cluster = key.cluster,
                            .nodes = {},
                            .readers = 0,
                            .connection = connection_properties(job_, key.cluster),
                            .properties = key.properties});
        keys_.push_back(std::move(key));
        return clients_.back();
    }
    std::vector<PlannedClient> take() { return std::move(clients_); }

  private:
    const proto::Job& job_;
    std::vector<ClientKey> keys_;
    std::vector<PlannedClient> clients_;
};

std::size_t count(const std::vector<PlannedClient>& clients, KafkaRole role) {
    return static_cast<std::size_t>(
        std::count_if(clients.begin(), clients.end(),
                      [role](const PlannedClient& client) { return client.role == role; }));
}

}  // namespace

std::vector<PlannedClient> plan_clients(const proto::Job& job,
                                        const std::function<bool(std::string_view node)>& is_here) {
    ClientList clients(job);
    for (const proto::Source& source : job.sources()) {
        if (!source.has_kafka() || !is_here(source.name())) continue;
        PlannedClient& client = clients.of(key_of(job, source));
        client.nodes.push_back(source.name());
        client.readers += static_cast<std::size_t>(source.parallelism());
    }
    for (const proto::Sink& sink : job.sinks()) {
        if (!sink.has_kafka() || !is_here(sink.name())) continue;
        clients.of(key_of(job, sink)).nodes.push_back(sink.name());
    }
    return clients.take();
}

std::size_t readers_beside(const proto::Job& job, const proto::Source& source) {
    const ClientKey key = key_of(job, source);
    std::size_t readers = 0;
    for (const proto::Source& other : job.sources()) {
        if (other.has_kafka() && key_of(job, other) == key)
            readers += static_cast<std::size_t>(other.parallelism());
    }
    return readers;
}

std::size_t bytes_of(const std::vector<PlannedClient>& clients, const KafkaMemory& memory) {
    return count(clients, KafkaRole::kSource) * memory.consumer_bytes +
           count(clients, KafkaRole::kSink) * memory.producer_bytes;
}

Result<KafkaMemory> fit_clients(const std::vector<PlannedClient>& clients, std::size_t bytes_free) {
    const KafkaMemory usual;
    const std::size_t wanted = bytes_of(clients, usual);
    if (wanted <= bytes_free) return usual;
    const KafkaMemory least{.consumer_bytes = kConsumerBytesMin,
                            .producer_bytes = kProducerBytesMin};
    const std::size_t needed = bytes_of(clients, least);
    if (needed > bytes_free) {
        return fail(Code::kResourceExhausted,
                    "the queues of {} Kafka consumers and {} producers need {} of task memory at "
                    "least, {} are free. Hint: raise taskmanager.memory.process.size or "
                    "taskmanager.memory.task.size",
                    count(clients, KafkaRole::kSource), count(clients, KafkaRole::kSink),
                    memory::format_bytes(needed), memory::format_bytes(bytes_free));
    }
    // Each gets its least, and the rest in proportion to what it lacks of the usual size.
    const std::size_t rest = bytes_free - needed;
    const auto scaled = [&](std::size_t from, std::size_t to) {
        const double share = static_cast<double>(rest) / static_cast<double>(wanted - needed);
        return from + static_cast<std::size_t>(share * static_cast<double>(to - from));
    };
    return KafkaMemory{.consumer_bytes = scaled(least.consumer_bytes, usual.consumer_bytes),
                       .producer_bytes = scaled(least.producer_bytes, usual.producer_bytes)};
}

Status check_properties(const std::vector<PlannedClient>& clients, const KafkaMemory& memory) {
    for (const PlannedClient& client : clients) {
        Status fits = check_queue_properties(
            {.connection = {.name = client.cluster, .brokers = {}, .properties = client.connection},
             .role = client.role,
             .group = {},
             .node_properties = client.properties,
             .memory = memory,
             .readers = client.readers});
        if (!fits)
            return std::unexpected(std::move(fits).error().with_context(client.nodes.front()));
    }
    return {};
}

}  // namespace millrace::operators
