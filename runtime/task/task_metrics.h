// The metrics of one task, with the names that Flink's tools look for.
//
// Threads:    any; values are computed by whoever reads them.
// Ownership:  `times` and `traffic` outlive the group.
// Failure:    none.

#pragma once

#include <string>
#include <string_view>

#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/task/chain_node.h"
#include "runtime/task/time_ledger.h"

namespace millrace::task {

// "flink_taskmanager_job_task_<name>", and Flink's help text.
[[nodiscard]] std::string task_metric_name(std::string_view name);
[[nodiscard]] std::string task_metric_help(std::string_view name);

// Times, records, bytes and batches of the whole task.
void add_task_metrics(metrics::MetricGroup& group, const Clock& clock, TimeLedger& times,
                      const ChainTraffic& traffic);

}  // namespace millrace::task
