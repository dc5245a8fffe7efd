// The demo: one process that needs nothing else.

#include <csignal>

#include <catch2/catch.hpp>

#include "tests/integration/cluster.h"
#include "tests/integration/records.h"
#include "tests/support/eventually.h"
#include "tests/support/free_port.h"
#include "tests/support/kafka_client.h"
#include "tests/support/temp_dir.h"

namespace millrace::integration {
namespace {

using Catch::Matchers::Contains;

// The seconds of "first prediction after 1.4 s"; nothing when the line is not there.
std::optional<double> first_prediction(const std::string& text) {
    const std::string words = "first prediction after ";
    const std::size_t at = text.find(words);
    if (at == std::string::npos) return std::nullopt;
    return std::stod(text.substr(at + words.size()));
}

TEST_CASE("the demo says when the first prediction came, and others can read it", "[integration]") {
    const support::TempDir folder;
    const std::string ports = (folder / "broker").string();
    auto demo = support::Process::start(
        {.argv = {MILLRACE_BINARY, "demo", "--port-file", ports, "--for", "60s"},
         .environment = kNoBroker},
        folder.path());
    REQUIRE(demo);
    REQUIRE(support::eventually([&] { return first_prediction(demo->errors()).has_value(); }));
    REQUIRE(*first_prediction(demo->errors()) > 0);
    REQUIRE_THAT(demo->errors(), Contains("embedded Kafka  127.0.0.1:"));
    std::string broker = support::read_file(ports);
    broker.erase(broker.find_last_not_of('\n') + 1);
    support::KafkaClient kafka(broker);
    const auto records = kafka.read_at_least("ad_predictions", 1);
    REQUIRE(records);
    REQUIRE(read_prediction(records->front().value.value()).models.size() == 2);
    // What models have learned comes with the TaskManager's first heartbeats.
    REQUIRE(support::eventually([&] { return demo->errors().contains("ctr_bayes"); }));
    REQUIRE_THAT(demo->errors(), Contains("events/s"));
    demo->send(SIGINT);
    const auto ended = demo->wait();
    REQUIRE(ended);
    REQUIRE(*ended == 0);
}

TEST_CASE("the demo uses the broker that its configuration, environment or flag names",
          "[integration]") {
    const std::string nobody = "127.0.0.1:" + std::to_string(support::free_port());
    const auto require_use = [&](std::vector<std::string> flags, const Environment& environment) {
        flags.insert(flags.begin(), {"demo", "--for", "60s"});
        const support::Finished demo = millrace(std::move(flags), environment);
        CAPTURE(demo.errors);
        REQUIRE(demo.exit_code == 69);
        REQUIRE_THAT(demo.errors, Contains("Kafka cluster default at " + nobody));
    };
    require_use({"-D", "kafka.clusters.default.brokers=" + nobody}, kNoBroker);
    require_use({}, {{"KAFKA_BROKERS", nobody}});
    require_use({"--kafka", nobody}, kNoBroker);
}

TEST_CASE("run ends with the mean rate of the whole run", "[integration]") {
    const support::TempDir folder;
    // All but a few rows are read in the first second.
    const std::string job = folder
                                .write("job.yaml",
                                       "version: 1\nname: uneven\nsources:\n"
                                       "  many: { type: generate, preset: sequence, limit: "
                                       "100000rows }\n"
                                       "  few: { type: generate, preset: sequence, rate: 1/s, "
                                       "limit: 4rows }\n"
                                       "sinks:\n"
                                       "  a: { type: discard, from: many }\n"
                                       "  b: { type: discard, from: few }\n")
                                .string();
    const support::Finished run = millrace({"run", job});
    CAPTURE(run.errors);
    REQUIRE(run.exit_code == 0);
    const std::size_t last = run.errors.find("FINISHED");
    REQUIRE(last != std::string::npos);
    REQUIRE(std::stod(run.errors.substr(last + std::string("FINISHED").size())) > 1'000);
}

// A job that reads 450 good records and 50 bad ones, whose share may be `share`.
support::Finished run_with_bad_records(const std::string& share, const std::string& more_sinks) {
    const support::TempDir folder;
    std::string rows;
    for (int i = 0; i < 500; ++i) rows += i % 10 == 0 ? "{\"x\":\"a\"}\n" : "{\"x\":1}\n";
    const std::string input = folder.write("rows.jsonl", rows).string();
    return millrace({"run", folder
                                .write("job.yaml",
                                       "version: 1\nname: few\nruntime: { on_bad_record: { "
                                       "stop_if_over: " +
                                           share +
                                           " } }\nschemas: { row: { x: int64 } }\nsources:\n"
                                           "  rows: { type: file, path: " +
                                           input +
                                           ", format: json, schema: row }\nsinks:\n"
                                           "  out: { type: discard, from: rows }\n" +
                                           more_sinks)
                                .string()});
}

TEST_CASE("run ends with how many records were bad, and where they went", "[integration]") {
    SECTION("nowhere") {
        const support::Finished run = run_with_bad_records("10%", "");
        CAPTURE(run.errors);
        REQUIRE(run.exit_code == 0);
        REQUIRE_THAT(run.errors, Contains("bad 50\n  bad records: 50 in rows") &&
                                     Contains("dropped: no sink has `from: errors`\n"));
    }
    SECTION("to a sink") {
        const support::Finished run =
            run_with_bad_records("10%", "  dead: { type: discard, from: errors }\n");
        CAPTURE(run.errors);
        REQUIRE(run.exit_code == 0);
        REQUIRE_THAT(run.errors,
                     Contains("  bad records: 50 in rows") && Contains("; sent to dead\n"));
    }
}

TEST_CASE(
    "a bounded input with too many bad records fails the job at its end, however few they are",
    "[integration]") {
    const support::Finished run = run_with_bad_records("9%", "");
    CAPTURE(run.errors);
    REQUIRE(run.exit_code == 1);
    REQUIRE_THAT(run.errors,
                 Contains("rows: 50 of the 500 records that it read are bad (10.00 %)"));
}

TEST_CASE("what run shows of a job with models fits 80 columns", "[integration]") {
    const std::string job = std::string(MILLRACE_SOURCE_DIR) + "/jobs/smallest.yaml";
    const support::Finished run = millrace({"run", job});
    CAPTURE(run.errors);
    REQUIRE(run.exit_code == 0);
    const std::size_t summary = run.errors.rfind('\n', run.errors.find("FINISHED")) + 1;
    REQUIRE_THAT(run.errors.substr(summary), Contains("AUC") && Contains("PRED/REAL"));
    std::istringstream lines(run.errors.substr(summary));
    // The last column stays free: a terminal may go to the next line when it is written.
    for (std::string line; std::getline(lines, line);) REQUIRE(line.size() < 80);
}

}  // namespace
}  // namespace millrace::integration
