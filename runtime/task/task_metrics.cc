#include "runtime/task/task_metrics.h"

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include <fmt/core.h>

#include "runtime/task/window_rate.h"

namespace millrace::task {

namespace {

double milliseconds(Duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
}

void add_gauge(metrics::MetricGroup& group, std::string_view name, std::function<double()> read) {
    group.gauge_of(task_metric_name(name), task_metric_help(name), std::move(read));
}

// A total, and its rate under the same name with "PerSecond" behind it.
void add_total(metrics::MetricGroup& group, const Clock& clock, std::string_view name,
               const metrics::Counter& counter) {
    const auto total = [&counter] { return static_cast<double>(counter.value()); };
    add_gauge(group, name, total);
    add_gauge(group, fmt::format("{}PerSecond", name),
              [&clock, total, rate = std::make_shared<WindowRate>(clock.now())] {
                  return rate->read(total(), clock.now());
              });
}

}  // namespace

std::string task_metric_name(std::string_view name) {
    return fmt::format("flink_taskmanager_job_task_{}", name);
}

std::string task_metric_help(std::string_view name) {
    return fmt::format("{} (scope: taskmanager_job_task)", name);
}

void add_task_metrics(metrics::MetricGroup& group, const Clock& clock, TimeLedger& times,
                      const ChainTraffic& traffic) {
    const auto rates = [&times, &clock] { return times.rates(clock.now()); };
    const auto totals = [&times, &clock] { return times.totals(clock.now()); };
    add_gauge(group, "idleTimeMsPerSecond", [=] { return rates().idle_ms; });
    add_gauge(group, "busyTimeMsPerSecond", [=] { return rates().busy_ms; });
    add_gauge(group, "backPressuredTimeMsPerSecond", [=] { return rates().back_pressured_ms; });
    // With us a task waits for room either way; there is no separate hard and soft kind.
    add_gauge(group, "hardBackPressuredTimeMsPerSecond", [] { return 0.0; });
    add_gauge(group, "softBackPressuredTimeMsPerSecond", [=] { return rates().back_pressured_ms; });
    add_gauge(group, "accumulateIdleTimeMs", [=] { return milliseconds(totals().idle); });
    add_gauge(group, "accumulateBusyTimeMs", [=] { return milliseconds(totals().busy); });
    add_gauge(group, "accumulateBackPressuredTimeMs",
              [=] { return milliseconds(totals().back_pressured); });
    add_gauge(group, "isBackPressured",
              [&times] { return times.current() == TimeUse::kBackPressured ? 1.0 : 0.0; });
    const auto total = [&](std::string_view name, const metrics::Counter& counter) {
        add_total(group, clock, name, counter);
    };
    total("numRecordsIn", traffic.rows_in);
    total("numRecordsOut", traffic.rows_out);
    total("numBytesIn", traffic.bytes_in);
    total("numBytesOut", traffic.bytes_out);
    total("numBuffersIn", traffic.batches_in);
    total("numBuffersOut", traffic.batches_out);
}

}  // namespace millrace::task
