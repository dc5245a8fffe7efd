#include "runtime/base/metrics.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include <fmt/core.h>

#include "runtime/base/check.h"

namespace millrace::metrics {

struct Registry::Series {
    enum class Kind : unsigned char { kCounter, kGauge, kComputed, kHistogram };

    Kind kind;
    std::string name;
    std::string help;
    Labels labels;
    Counter counter;
    Gauge gauge;
    std::function<double()> read;
    std::unique_ptr<Histogram> histogram;

    [[nodiscard]] double value() const {
        switch (kind) {
            case Kind::kCounter:
                return static_cast<double>(counter.value());
            case Kind::kGauge:
                return gauge.value();
            case Kind::kComputed:
                return read();
            case Kind::kHistogram:
                return static_cast<double>(histogram->count());
        }
        return 0;
    }
};

void Histogram::record(std::uint64_t value) {
    const std::uint64_t v = std::max<std::uint64_t>(value, 1);
    const auto power = static_cast<std::size_t>(std::bit_width(v) - 1);
    const std::size_t quarter = power >= 2 ? (v >> (power - 2)) & 3 : (v << (2 - power)) & 3;
    auto& bucket = buckets_[std::min(4 * power + quarter, kBuckets - 1)];
    bucket.store(bucket.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    sum_.store(sum_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}

std::uint64_t Histogram::bucket_end(std::size_t i) {
    const std::size_t power = i / 4;
    const std::uint64_t quarter = i % 4 + 5;
    return power >= 2 ? quarter << (power - 2) : ((quarter << power) + 3) / 4;
}

std::uint64_t Histogram::bucket_count(std::size_t i) const {
    return buckets_[i].load(std::memory_order_relaxed);
}

std::uint64_t Histogram::count() const {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) total += bucket_count(i);
    return total;
}

double Histogram::sum() const {
    return static_cast<double>(sum_.load(std::memory_order_relaxed)) * scale_;
}

double Histogram::quantile(double share) const {
    const std::uint64_t total = count();
    if (total == 0) return 0;
    const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(total)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
        seen += bucket_count(i);
        if (seen >= wanted) return static_cast<double>(bucket_end(i)) * scale_;
    }
    return static_cast<double>(bucket_end(kBuckets - 1)) * scale_;
}

MetricGroup::MetricGroup(Registry& registry, Labels labels)
    : registry_(registry), labels_(std::move(labels)) {}

MetricGroup::~MetricGroup() { registry_.remove(this); }

namespace {

Labels joined(const Labels& a, const Labels& b) {
    Labels all = a;
    all.insert(all.end(), b.begin(), b.end());
    return all;
}

}  // namespace

Counter& MetricGroup::counter(std::string_view name, std::string_view help, const Labels& extra) {
    auto series = std::make_unique<Registry::Series>();
    series->kind = Registry::Series::Kind::kCounter;
    series->name = name, series->help = help, series->labels = joined(labels_, extra);
    return add(std::move(series)).counter;
}

Gauge& MetricGroup::gauge(std::string_view name, std::string_view help, const Labels& extra) {
    auto series = std::make_unique<Registry::Series>();
    series->kind = Registry::Series::Kind::kGauge;
    series->name = name, series->help = help, series->labels = joined(labels_, extra);
    return add(std::move(series)).gauge;
}

void MetricGroup::gauge_of(std::string_view name, std::string_view help,
                           std::function<double()> read, const Labels& extra) {
    auto series = std::make_unique<Registry::Series>();
    series->kind = Registry::Series::Kind::kComputed;
    series->name = name, series->help = help, series->labels = joined(labels_, extra);
    series->read = std::move(read);
    add(std::move(series));
}

Histogram& MetricGroup::histogram(std::string_view name, std::string_view help, double scale,
                                  const Labels& extra) {
    auto series = std::make_unique<Registry::Series>();
    series->kind = Registry::Series::Kind::kHistogram;
    series->name = name, series->help = help, series->labels = joined(labels_, extra);
    series->histogram = std::make_unique<Histogram>(scale);
    return *add(std::move(series)).histogram;
}

Registry::Series& MetricGroup::add(std::unique_ptr<Registry::Series> series) {
    Registry::Series& added = registry_.add(this, std::move(series));
    const MutexLock lock(mutex_);
    own_.push_back(&added);
    return added;
}

std::optional<double> MetricGroup::value_of(std::string_view name) const {
    const MutexLock lock(mutex_);
    for (const Registry::Series* series : own_) {
        if (series->kind != Registry::Series::Kind::kHistogram && series->name == name)
            return series->value();
    }
    return std::nullopt;
}

Registry::Series& Registry::add(const MetricGroup* owner, std::unique_ptr<Series> series) {
    const MutexLock lock(mutex_);
    series_.emplace_back(owner, std::move(series));
    return *series_.back().second;
}

void Registry::remove(const MetricGroup* owner) {
    const MutexLock lock(mutex_);
    series_.remove_if([owner](const auto& entry) { return entry.first == owner; });
}

namespace {

std::string escaped(std::string_view value) {
    std::string out;
    for (const char c : value) {
        if (c == '\\' || c == '"') out += '\\';
        if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
    return out;
}

std::string label_text(const Labels& labels, std::string_view extra = "") {
    std::string out;
    for (const auto& [key, value] : labels) {
        out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", key, escaped(value));
    }
    if (!extra.empty()) out += (out.empty() ? "" : ",") + std::string(extra);
    return out.empty() ? "" : "{" + out + "}";
}

void write_histogram(std::string& out, const std::string& name, const Labels& labels,
                     const Histogram& histogram) {
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < Histogram::kBuckets; ++i) {
        const std::uint64_t here = histogram.bucket_count(i);
        if (here == 0) continue;
        seen += here;
        const double end = static_cast<double>(Histogram::bucket_end(i)) * histogram.scale();
        out += fmt::format("{}_bucket{} {}\n", name,
                           label_text(labels, fmt::format("le=\"{:g}\"", end)), seen);
    }
    out += fmt::format("{}_bucket{} {}\n", name, label_text(labels, "le=\"+Inf\""), seen);
    out += fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, label_text(labels), histogram.sum(),
                       name, label_text(labels), seen);
}

}  // namespace

std::string Registry::to_prometheus() const {
    const MutexLock lock(mutex_);
    std::map<std::string, std::vector<const Series*>> families;
    std::size_t shown = 0;
    for (const auto& [owner, series] : series_) {
        if (shown == kSeriesMax) break;
        ++shown;
        families[series->name].push_back(series.get());
    }
    std::string out;
    if (const std::size_t hidden = series_.size() - shown; hidden > 0) {
        out += fmt::format(
            "# HELP millrace_metrics_series_hidden Series that are beyond the {} shown.\n"
            "# TYPE millrace_metrics_series_hidden gauge\nmillrace_metrics_series_hidden {}\n",
            kSeriesMax, hidden);
    }
    for (const auto& [name, all] : families) {
        static constexpr std::array<std::string_view, 4> kTypes{"counter", "gauge", "gauge",
                                                                "histogram"};
        out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, all.front()->help, name,
                           kTypes[static_cast<std::size_t>(all.front()->kind)]);
        for (const Series* series : all) {
            if (series->kind == Series::Kind::kHistogram) {
                write_histogram(out, name, series->labels, *series->histogram);
                continue;
            }
            const double value = series->value();
            if (!std::isnan(value))
                out += fmt::format("{}{} {}\n", name, label_text(series->labels), value);
        }
    }
    return out;
}

}  // namespace millrace::metrics
