// Where a Kafka cluster is and how its clients are set up.
//
// A client's configuration comes from three places: the connection (the operator's or developer's
// own properties), the node of the job (an allow-list only), and what Millrace requires for being
// correct, which nobody can change. Queue sizes follow from the bytes that the task region gives.
//
// Threads:    values and pure functions.
// Ownership:  none.
// Limits:     KafkaMemory, which the deployment charges to the task region.
// Failure:    kInvalidOption naming the property, with librdkafka's own words.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "operators/kafka/kafka_handles.h"
#include "runtime/base/status.h"

namespace millrace::operators {

// The cluster of sources and sinks that name none.
inline constexpr std::string_view kDefaultKafkaCluster = "default";

using KafkaProperties = std::vector<std::pair<std::string, std::string>>;

// A cluster as the job's or the server's `kafka.clusters` names it, secrets filled in.
struct KafkaConnection {
    std::string name;
    std::string brokers;  // host:port, separated by commas.
    KafkaProperties properties;

    bool operator==(const KafkaConnection&) const = default;
};

enum class KafkaRole : std::uint8_t { kSource, kSink, kDirectory };

// What the clients of one job in one TaskManager may hold, in bytes of the task region.
struct KafkaMemory {
    // Of all fetched and not yet read records, what librdkafka adds to each of them included.
    std::size_t consumer_bytes = std::size_t{64} << 20;
    // Of all records that are not yet acknowledged.
    std::size_t producer_bytes = std::size_t{32} << 20;
};

// librdkafka's own bytes for a queued record, beside its payload (an operation and a message).
inline constexpr std::size_t kFetchedRecordOverheadBytes = 512;
inline constexpr std::size_t kSentRecordOverheadBytes = 256;
// One answer to a fetch may come on top of a full queue.
inline constexpr std::size_t kFetchBytesMax = std::size_t{8} << 20;

// What one queue may hold, so that `readers` of them stay within `memory.consumer_bytes`.
struct FetchQueueLimits {
    std::size_t kilobytes;
    std::size_t records;
};
[[nodiscard]] FetchQueueLimits fetch_queue_limits(const KafkaMemory& memory, std::size_t readers);

// Errors: kPermissionDenied unless a job may set `name` on a node of this role.
Status check_node_property(KafkaRole role, std::string_view name);

// What a client of `role` is made from. Two nodes with equal settings share one client.
struct KafkaSettings {
    KafkaConnection connection;
    KafkaRole role = KafkaRole::kSource;
    std::string group;                // Sources only.
    KafkaProperties node_properties;  // Checked against the allow-list.
    KafkaMemory memory;
    std::size_t readers = 1;  // Source subtasks that share the client.

    bool operator==(const KafkaSettings& other) const {
        return connection == other.connection && role == other.role && group == other.group &&
               node_properties == other.node_properties;
    }
};

// Errors: kInvalidOption for an unknown property, a bad value, or one that Millrace sets itself.
Result<KafkaConf> make_conf(const KafkaSettings& settings);

// Whether the queues that the properties ask for stay within `settings.memory`; the part of
// make_conf() that can be told before secrets and brokers are known. Errors: kInvalidOption.
Status check_queue_properties(const KafkaSettings& settings);

// The librdkafka found at run time.
[[nodiscard]] std::string kafka_library_version();
// True from 2.3 on: a full queue is looked at again after milliseconds, not after up to a second.
[[nodiscard]] bool has_fetch_queue_backoff();

}  // namespace millrace::operators
