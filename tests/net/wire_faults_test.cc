#include "runtime/net/wire_faults.h"

#include <catch2/catch.hpp>

namespace millrace::net {
namespace {

class ManualClock final : public Clock {
  public:
    [[nodiscard]] TimePoint now() const override { return now_; }
    [[nodiscard]] std::int64_t wall_ms() const override { return 0; }
    void advance(Duration by) { now_ += by; }

  private:
    TimePoint now_{};
};

TEST_CASE("WireFaults logs each kind at most once a minute and counts all", "[net][faults]") {
    ManualClock clock;
    metrics::Registry registry;
    metrics::MetricGroup metrics(registry, {});
    WireFaults faults(clock, metrics, "control");
    for (int i = 0; i < 100; ++i) {
        faults.record(WireFault::kBadMagic, "127.0.0.1:1", "no frame");
        clock.advance(std::chrono::milliseconds(599));
    }
    REQUIRE(faults.lines_logged() == 1);
    faults.record(WireFault::kBadChecksum, "127.0.0.1:1", "crc");
    REQUIRE(faults.lines_logged() == 2);
    clock.advance(std::chrono::seconds(1));
    faults.record(WireFault::kBadMagic, "127.0.0.1:1", "no frame");
    REQUIRE(faults.lines_logged() == 3);
    REQUIRE(faults.count(WireFault::kBadMagic) == 101);
    REQUIRE(registry.to_prometheus().find(
                R"(millrace_net_faults_total{port="control",kind="bad_magic"} 101)") !=
            std::string::npos);
}

}  // namespace
}  // namespace millrace::net
