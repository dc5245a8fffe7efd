// A sink that stands still stops its sources and nothing else, and memory stays where it is.

#include <catch2/catch.hpp>

#include "tests/integration/cluster.h"
#include "tests/support/eventually.h"

namespace millrace::integration {
namespace {

using support::Process;

// `millrace demo` has a broker that we may stop without harm to other cases.
struct DemoBroker {
    DemoBroker()
        : process(*Process::start({.argv = {MILLRACE_BINARY, "demo", "--rate", "1/s", "--port-file",
                                            (folder / "address").string()},
                                   .environment = kNoBroker},
                                  folder.path())) {
        REQUIRE(support::eventually([&] { return !address().empty(); }));
    }
    [[nodiscard]] std::string address() const {
        const std::string text = support::read_file(folder / "address");
        return text.substr(0, text.find('\n'));
    }

    support::TempDir folder;
    Process process;
};

// One source that never rests; two subtasks that score and write.
constexpr const char* kJob =
    "version: 1\nname: stalled\n"
    "sources:\n  clicks: { type: generate, preset: ctr }\n"
    "features:\n  few: { bits: 12, columns: { f0: hashed, f1: hashed } }\n"
    "models:\n  ctr: { task: binary, features: few, learner: ftrl }\n"
    "steps:\n"
    "  scored: { type: predict, from: clicks, models: [ctr], keep: [impression_id],"
    " parallelism: 2 }\n"
    "  learn: { type: train, from: clicks, label: label, models: [ctr], parallelism: 2 }\n"
    "sinks:\n  out: { type: kafka, from: scored, topic: ad_predictions }\n";

std::uint64_t resident_bytes(const Process& process) {
    const auto usage = process.usage();
    REQUIRE(usage);
    return usage->rss_bytes;
}

bool is_stopped(const JobProgress& now) { return now.step("clicks").back_pressured_ms > 900; }

TEST_CASE("a sink that stands still stops its source while memory stays flat", "[integration]") {
    DemoBroker broker;
    Cluster cluster({.brokers = broker.address()});
    Process& taskmanager = cluster.start_taskmanager({.slots = 2});
    cluster.submit(kJob);
    (void)cluster.wait_for(
        "stalled", [](const JobProgress& now) { return now.step("scored").records_in > 100'000; });
    broker.process.pause();
    const JobProgress before = cluster.wait_for("stalled", is_stopped);
    const std::uint64_t bytes_before = resident_bytes(taskmanager);
    const JobProgress after = cluster.wait_for(
        "stalled", [&](const JobProgress& now) { return now.now_ms >= before.now_ms + 5'000; });
    REQUIRE(is_stopped(after));
    REQUIRE(after.state == "RUNNING");
    // What fits in the buffers is all that still moves.
    REQUIRE(after.step("clicks").records_out - before.step("clicks").records_out < 100'000);
    REQUIRE(resident_bytes(taskmanager) < bytes_before + (std::uint64_t{16} << 20));
    broker.process.resume();
    (void)cluster.wait_for("stalled", [&](const JobProgress& now) {
        return now.step("scored").records_in > after.step("scored").records_in + 100'000;
    });
    REQUIRE(cluster.progress("stalled").restarts == 0);
}

}  // namespace
}  // namespace millrace::integration
