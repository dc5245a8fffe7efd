// Counters, gauges and histograms, and their Prometheus text.
//
// A metric is written by one thread with plain relaxed stores (no locked instruction, no branch),
// and read by any. Metrics are made in a MetricGroup, whose life is that of what it measures: when
// the group is destroyed its series leave the registry.
//
// Threads:    Counter and Histogram: one writer, any reader. Gauge: any. Registry and group: any.
// Ownership:  a group owns its metrics; the registry must outlive every group.
// Limits:     Registry::kSeriesMax series are shown; what is made beyond works, and is counted in
//             millrace_metrics_series_hidden.
// Failure:    none.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/thread_annotations.h"

namespace millrace::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
  public:
    // REQUIRES: one writing thread at a time.
    void add(std::uint64_t n = 1) {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

class Gauge {
  public:
    void set(double v) { value_.store(v, std::memory_order_relaxed); }
    [[nodiscard]] double value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<double> value_{0};
};

// Log-linear buckets: four to each power of two, from 1 to 2^40; relative error below 13 %. Values
// are whole numbers in the unit that the caller chose (microseconds, bytes); `scale` turns them
// into the exported base unit.
class Histogram {
  public:
    static constexpr std::size_t kBuckets = 4 * 40 + 1;

    explicit Histogram(double scale) : scale_(scale) {}
    // REQUIRES: one writing thread at a time.
    void record(std::uint64_t value);
    // The value below which `share` (0 to 1) of all records lie, exported unit; 0 when empty.
    [[nodiscard]] double quantile(double share) const;
    [[nodiscard]] std::uint64_t count() const;
    [[nodiscard]] double sum() const;
    [[nodiscard]] double scale() const { return scale_; }
    [[nodiscard]] std::uint64_t bucket_count(std::size_t i) const;
    // Smallest whole number above bucket `i`.
    [[nodiscard]] static std::uint64_t bucket_end(std::size_t i);

  private:
    const double scale_;
    std::array<std::atomic<std::uint64_t>, kBuckets> buckets_{};
    std::atomic<std::uint64_t> sum_{0};
};

class MetricGroup;

class Registry {
  public:
    static constexpr std::size_t kSeriesMax = 10'000;

    // All series, grouped by name, in the text format 0.0.4.
    [[nodiscard]] std::string to_prometheus() const MILLRACE_EXCLUDES(mutex_);

  private:
    friend class MetricGroup;
    struct Series;

    Series& add(const MetricGroup* owner, std::unique_ptr<Series> series) MILLRACE_EXCLUDES(mutex_);
    void remove(const MetricGroup* owner) MILLRACE_EXCLUDES(mutex_);

    mutable Mutex mutex_;
    std::list<std::pair<const MetricGroup*, std::shared_ptr<Series>>> series_
        MILLRACE_GUARDED_BY(mutex_);
};

// The metrics of one thing (a task, a TaskManager, a model), with the labels that all of them
// carry.
class MetricGroup {
  public:
    MetricGroup(Registry& registry, Labels labels);
    MetricGroup(const MetricGroup&) = delete;
    MetricGroup& operator=(const MetricGroup&) = delete;
    ~MetricGroup();

    // The returned reference lives as long as this group. `name` is the full exported name.
    Counter& counter(std::string_view name, std::string_view help, const Labels& extra = {});
    Gauge& gauge(std::string_view name, std::string_view help, const Labels& extra = {});
    // A gauge computed when somebody looks; `read` is called by the reading thread and must not
    // block. NaN means absent: the series is left out.
    void gauge_of(std::string_view name, std::string_view help, std::function<double()> read,
                  const Labels& extra = {});
    Histogram& histogram(std::string_view name, std::string_view help, double scale,
                         const Labels& extra = {});

    // What the group's own counter or gauge `name` shows now; nullopt when it has none. Looks at no
    // other group's.
    [[nodiscard]] std::optional<double> value_of(std::string_view name) const
        MILLRACE_EXCLUDES(mutex_);

  private:
    Registry::Series& add(std::unique_ptr<Registry::Series> series) MILLRACE_EXCLUDES(mutex_);

    Registry& registry_;
    const Labels labels_;

    mutable Mutex mutex_;
    std::vector<const Registry::Series*> own_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::metrics
