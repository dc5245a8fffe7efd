// The settings of this process: those of --config FILE, then those of -D, which beat them.
//
// Which keys there are is known where they are used: memory/memory_keys.h, and the port of metrics
// here. An unknown one is refused there, with its line and the nearest key.
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
#include "runtime/base/status.h"
#include "runtime/cli/command_line.h"

namespace millrace::process {

// Not of memory: where health and metrics are served.
inline constexpr std::string_view kMetricsPortKey = "metrics.prometheus.port";
inline constexpr std::string_view kSlotsKey = "taskmanager.numberOfTaskSlots";

using Settings = std::vector<memory::Setting>;

// REQUIRES: asked once by a verb: the file may be a pipe, and may change.
Result<Settings> read_settings(const cli::CommandLine& line);

// What is set for `key`.
[[nodiscard]] std::optional<std::string> find_setting(const Settings& settings,
                                                      std::string_view key);

}  // namespace millrace::process
