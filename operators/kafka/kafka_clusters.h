// The Kafka clusters that a process's configuration names, for every job that says `cluster: NAME`.
//
//   kafka.clusters.main.brokers: broker1:9092,broker2:9092
//   kafka.clusters.main.properties.sasl.username: millrace
//   kafka.clusters.main.properties.sasl.password: file:/etc/millrace/sasl-password
//
// A value `file:PATH` or `env:NAME` stands for what the file or variable holds, so that no secret
// need stand in the configuration.
//
// Threads:    any.
// Ownership:  values.
// Limits:     kValueBytesMax.
// Failure:    kInvalidOption with every problem, one a line: file, line, key, what, hint. No value
//             is repeated, but for one that is none of librdkafka's words.

#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "memory/memory_keys.h"
#include "operators/kafka/kafka_settings.h"
#include "runtime/base/status.h"

namespace millrace::operators {

// Of one value: a chain of certificates is the longest.
inline constexpr std::size_t kValueBytesMax = std::size_t{1} << 20;

// True for the keys that kafka_clusters_of() judges, known or not.
[[nodiscard]] bool is_kafka_key(std::string_view key);

// What a file holds (the error tells the cause alone), or an environment variable (none when it is
// not set).
struct ReferenceReader {
    std::function<Result<std::string>(const std::string& path)> file;
    std::function<std::optional<std::string>(std::string_view name)> variable;
};

// In the order in which the settings name them; settings of other things are passed over.
Result<std::vector<KafkaConnection>> kafka_clusters_of(std::span<const memory::Setting> settings,
                                                       const ReferenceReader& reader);

}  // namespace millrace::operators
