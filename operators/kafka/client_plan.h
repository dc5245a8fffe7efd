// Which Kafka clients the nodes of a job share, and how many bytes each of them gets.
//
// Nodes of one direction share a client when cluster, group and properties are the same. All of
// this is told by the job's description, so that the bytes are known before a client is made.
//
// Threads:    pure.
// Ownership:  none.
// Limits:     KafkaMemory for each client; never less than kConsumerBytesMin, kProducerBytesMin.
// Failure:    kResourceExhausted with the numbers and the key to raise; kInvalidOption for
//             properties that ask for more than a client gets.

#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "operators/kafka/kafka_settings.h"
#include "runtime/base/status.h"

namespace millrace::proto {
class Job;
class Source;
}  // namespace millrace::proto

namespace millrace::operators {

// Two answers to fetches: one on its way into the queue, one being read.
inline constexpr std::size_t kConsumerBytesMin = 2 * kFetchBytesMax;
// Some batches of librdkafka's size, so that several partitions are written at a time.
inline constexpr std::size_t kProducerBytesMin = std::size_t{8} << 20;

struct PlannedClient {
    KafkaRole role = KafkaRole::kSource;
    std::string cluster;
    std::vector<std::string> nodes;  // The sources or sinks that share it.
    std::size_t readers = 0;         // Subtasks of those sources.
    KafkaProperties connection;      // Of the cluster, as far as the job's file says.
    KafkaProperties properties;      // Of the nodes.
};

// The clients of those nodes of `job` that `is_here` says yes to.
[[nodiscard]] std::vector<PlannedClient> plan_clients(
    const proto::Job& job, const std::function<bool(std::string_view node)>& is_here);
// Subtasks of all sources that share a client with `source`.
[[nodiscard]] std::size_t readers_beside(const proto::Job& job, const proto::Source& source);

// What `clients` hold together.
[[nodiscard]] std::size_t bytes_of(const std::vector<PlannedClient>& clients,
                                   const KafkaMemory& memory);
// The usual sizes if they fit in `bytes_free`; else what there is, divided in proportion. Errors:
// kResourceExhausted when that would be less than the smallest sizes.
Result<KafkaMemory> fit_clients(const std::vector<PlannedClient>& clients, std::size_t bytes_free);
// Whether the properties of each keep its queues within `memory`. A source that feeds a canonical
// order has a queue for each partition, and is looked at again when these are known.
Status check_properties(const std::vector<PlannedClient>& clients, const KafkaMemory& memory);

}  // namespace millrace::operators
