// The settings of this process: those of --config FILE, then those of -D, which beat them.
//
// Which keys there are is known where they are used: memory/memory_keys.h,
// operators/kafka/kafka_clusters.h, and the port of metrics here. An unknown one is refused there,
// with its line and what may stand in its place.
//
// Threads:    main's, before anything runs.
// Ownership:  values.
// Failure:    kInvalidOption with file and line; kPermissionDenied for a file of others.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "memory/memory_keys.h"
#include "operators/kafka/kafka_settings.h"
#include "runtime/base/status.h"
#include "runtime/cli/command_line.h"

namespace millrace::process {

// Not of memory: where health and metrics are served.
inline constexpr std::string_view kMetricsPortKey = "metrics.prometheus.port";
inline constexpr std::string_view kSlotsKey = "taskmanager.numberOfTaskSlots";
inline constexpr std::string_view kDefaultBrokersKey = "kafka.clusters.default.brokers";

using Settings = std::vector<memory::Setting>;

// REQUIRES: asked once by a verb: the file may be a pipe, and may change.
Result<Settings> read_settings(const cli::CommandLine& line);

// What is set for `key`.
[[nodiscard]] std::optional<std::string> find_setting(const Settings& settings,
                                                      std::string_view key);

// The settings of memory among them, known or not.
[[nodiscard]] Settings memory_settings(Settings settings);

// The Kafka clusters that jobs may name: those of the settings. --kafka beats the brokers of the
// cluster `default`. Errors: kInvalidOption, every problem.
Result<std::vector<operators::KafkaConnection>> kafka_clusters_of(const cli::CommandLine& line,
                                                                  Settings settings);

}  // namespace millrace::process
