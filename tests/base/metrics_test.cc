#include "runtime/base/metrics.h"

#include <cmath>
#include <optional>
#include <string>

#include <catch2/catch.hpp>

namespace millrace::metrics {
namespace {

TEST_CASE("Registry writes every series of a family under one header", "[base][metrics]") {
    Registry registry;
    MetricGroup one(registry, {{"subtask_index", "0"}});
    MetricGroup two(registry, {{"subtask_index", "1"}});
    one.counter("millrace_rows_total", "Rows.").add(3);
    two.counter("millrace_rows_total", "Rows.").add(4);
    REQUIRE(
        registry.to_prometheus() ==
        "# HELP millrace_rows_total Rows.\n# TYPE millrace_rows_total counter\n"
        "millrace_rows_total{subtask_index=\"0\"} 3\nmillrace_rows_total{subtask_index=\"1\"} 4\n");
}

TEST_CASE("Registry forgets the series of a destroyed group", "[base][metrics]") {
    Registry registry;
    {
        MetricGroup(registry, {}).gauge("g", "G.").set(1);
    }
    REQUIRE(registry.to_prometheus().empty());
}

TEST_CASE("Registry leaves out a computed gauge that is not a number", "[base][metrics]") {
    Registry registry;
    MetricGroup group(registry, {});
    group.gauge_of("absent", "A.", [] { return std::nan(""); });
    REQUIRE(registry.to_prometheus() == "# HELP absent A.\n# TYPE absent gauge\n");
}

TEST_CASE("MetricGroup tells a value of its own and looks at no other", "[base][metrics]") {
    Registry registry;
    MetricGroup mine(registry, {});
    MetricGroup other(registry, {});
    int asked = 0;
    other.gauge_of("lag", "L.", [&] { return static_cast<double>(++asked); });
    CHECK(mine.value_of("lag") == std::nullopt);
    mine.gauge("lag", "L.").set(7);
    mine.histogram("took", "T.", 1).record(3);
    CHECK(mine.value_of("lag") == 7.0);
    CHECK(mine.value_of("took") == std::nullopt);
    CHECK(asked == 0);
}

TEST_CASE("Registry shows as many series as its limit, and says how many it hides",
          "[base][metrics]") {
    Registry registry;
    MetricGroup group(registry, {});
    for (std::size_t i = 0; i < Registry::kSeriesMax; ++i) group.gauge("full", "F.");
    CHECK(registry.to_prometheus().find("hidden") == std::string::npos);
    Counter& beyond = group.counter("beyond", "B.");
    beyond.add(5);
    const std::string text = registry.to_prometheus();
    CHECK(text.find("\nmillrace_metrics_series_hidden 1\n") != std::string::npos);
    CHECK(text.find("beyond 5") == std::string::npos);
    CHECK(group.value_of("beyond") == 5.0);
}

TEST_CASE("Registry escapes label values", "[base][metrics]") {
    Registry registry;
    MetricGroup group(registry, {{"k", "a\"b\\c\nd"}});
    group.gauge("g", "G.").set(2);
    REQUIRE(registry.to_prometheus().find(R"(g{k="a\"b\\c\nd"} 2)") != std::string::npos);
}

TEST_CASE("Histogram finds quantiles within its bucket width", "[base][metrics]") {
    Histogram histogram(1e-6);
    for (std::uint64_t v = 1; v <= 1000; ++v) histogram.record(v);
    REQUIRE(histogram.count() == 1000);
    REQUIRE(histogram.sum() == Approx(500500e-6));
    REQUIRE(histogram.quantile(0.5) == Approx(500e-6).epsilon(0.26));
    REQUIRE(histogram.quantile(0.99) == Approx(990e-6).epsilon(0.26));
}

TEST_CASE("Histogram keeps each value below the end of its bucket", "[base][metrics]") {
    for (const std::uint64_t v : {1ULL, 2ULL, 3ULL, 4ULL, 5ULL, 7ULL, 8ULL, 1000ULL, 1ULL << 39}) {
        Histogram histogram(1);
        histogram.record(v);
        CAPTURE(v);
        REQUIRE(histogram.quantile(1) > static_cast<double>(v));
        REQUIRE(histogram.quantile(1) <=
                std::max(static_cast<double>(v) * 1.25, static_cast<double>(v) + 1));
    }
}

}  // namespace
}  // namespace millrace::metrics
