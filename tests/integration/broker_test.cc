// Brokers that refuse, go away, change and come back; topics that are missing and come.

#include <csignal>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/integration/cluster.h"
#include "tests/integration/own_broker.h"
#include "tests/support/eventually.h"
#include "tests/support/kafka_client.h"

namespace millrace::integration {
namespace {

using Catch::Matchers::Contains;
using support::Finished;
using support::KafkaClient;
using support::Process;

// Within which a job says what is wrong with its broker.
constexpr std::chrono::seconds kSaidWithin{15};

constexpr const char* kRefused = "Connection refused";
constexpr const char* kNotLetIn = "Authentication failed";
constexpr const char* kCredentialsHint = "check sasl.* of the connection";

// The process configuration that names the broker's second port as the cluster `main`, with a
// password that stands in a file.
std::string configuration(const support::TempDir& folder, const OwnBroker& broker,
                          const std::string& password) {
    const std::string secret = folder.write("password", password + "\n").string();
    return folder
        .write("millrace.yaml", fmt::format("kafka.clusters.main:\n"
                                            "  brokers: {}\n"
                                            "  properties:\n"
                                            "    security.protocol: SASL_PLAINTEXT\n"
                                            "    sasl.mechanism: PLAIN\n"
                                            "    sasl.username: mill\n"
                                            "    sasl.password: file:{}\n",
                                            broker.sasl_address(), secret))
        .string();
}

std::string reader_of(const std::string& topic, const std::string& cluster,
                      const std::string& sink = "discard") {
    return fmt::format(
        "version: 1\nname: reader\n"
        "runtime: {{ restart: {{ backoff: 1s..1s, give_up_after: 100 }} }}\n"
        "schemas:\n  row: {{ value: int64 }}\n"
        "sources:\n"
        "  rows: {{ type: kafka, cluster: {}, topic: {}, schema: row, start: earliest }}\n"
        "sinks:\n  out: {{ type: {}, from: rows }}\n",
        cluster, topic, sink);
}

void produce_numbers(KafkaClient& kafka, const std::string& topic, int first, int count) {
    std::vector<std::string> values;
    for (int i = first; i < first + count; ++i)
        values.push_back(fmt::format(R"({{"value":{}}})", i));
    REQUIRE(kafka.produce_values(topic, values));
}

void wait_for_rows(Cluster& cluster, std::int64_t rows) {
    (void)cluster.wait_for(
        "reader", [&](const JobProgress& now) { return now.steps.front().records_in == rows; });
}

// `describe` shows it soon.
void require_said(Cluster& cluster, const std::string& cause) {
    std::string described;
    const bool is_said = support::eventually(kSaidWithin, [&] {
        described = cluster.verb({"describe", "reader"}).output;
        return described.find(cause) != std::string::npos;
    });
    CAPTURE(described);
    REQUIRE(is_said);
}

void require_no_trouble(Cluster& cluster) {
    REQUIRE(support::eventually([&] {
        return cluster.verb({"describe", "reader"}).output.find("trouble") == std::string::npos;
    }));
}

// The process says it on standard error, soon.
void require_said(const Process& process, const std::string& cause) {
    CAPTURE(cause, process.errors());
    REQUIRE(support::eventually(kSaidWithin,
                                [&] { return process.errors().find(cause) != std::string::npos; }));
}

Process start_run(const support::TempDir& folder, const std::string& text,
                  std::vector<std::string> flags) {
    std::vector<std::string> words{MILLRACE_BINARY, "run", folder.write("job.yaml", text).string()};
    words.insert(words.end(), flags.begin(), flags.end());
    auto started = Process::start({.argv = std::move(words)}, folder.path());
    REQUIRE(started);
    return *std::move(started);
}

TEST_CASE("wrong credentials are refused at submission with the cause, and tried again by run",
          "[integration]") {
    OwnBroker broker;
    broker.start();
    KafkaClient kafka(broker.address());
    REQUIRE(kafka.create_topic("rows", 1));
    const support::TempDir folder;
    const std::string wrong = configuration(folder, broker, "not it");
    Cluster cluster({.jobmanager_flags = {"--config", wrong}});
    cluster.start_taskmanager({.slots = 1});
    const Finished refused = cluster.try_submit(reader_of("rows", "main"));
    REQUIRE(refused.exit_code == 77);
    REQUIRE_THAT(refused.errors,
                 Contains("error: Kafka cluster main at " + broker.sasl_address()) &&
                     Contains(kNotLetIn) && Contains(kCredentialsHint));
    REQUIRE(cluster.verb({"list", "-o", "json"}).output == "[]\n");
    REQUIRE(cluster.free_slots() == 1);
    std::string text = reader_of("rows", "main");
    text.replace(text.find("give_up_after: 100"), 18, "give_up_after: 1");
    Process run = start_run(folder, text, {"--config", wrong});
    REQUIRE(run.wait() == 77);
    REQUIRE_THAT(run.errors(), Contains(kNotLetIn) && Contains(kCredentialsHint) &&
                                   Contains("tried again in 1.") && Contains(" s (1 of 1)\n") &&
                                   Contains("millrace: given up after 2 attempts\n"));
    // Nobody shows the password.
    REQUIRE_THAT(cluster.logs() + refused.errors + run.errors(), !Contains("not it"));
}

TEST_CASE("no line of a configuration file is repeated, for it may hold a password",
          "[integration]") {
    const support::TempDir folder;
    const std::string path = folder.write("millrace.yaml",
                                          "kafka.clusters.main.properties:\n"
                                          "  sasl.password: [hidden]\n");
    Process run = start_run(folder, reader_of("rows", "main"), {"--config", path});
    REQUIRE(run.wait() == 78);
    REQUIRE_THAT(run.errors(), Contains("millrace.yaml:2:18: error: ") &&
                                   Contains("takes one value, not a list") && !Contains("hidden"));
}

TEST_CASE("a job says within seconds that its broker is away or refuses it, and reads on later",
          "[integration]") {
    OwnBroker broker;
    broker.start("right");
    KafkaClient kafka(broker.address());
    REQUIRE(kafka.create_topic("rows", 1));
    produce_numbers(kafka, "rows", 0, 10);
    const support::TempDir folder;
    Cluster cluster({.jobmanager_flags = {"--config", configuration(folder, broker, "right")}});
    cluster.start_taskmanager({.slots = 1});
    cluster.submit(reader_of("rows", "main"));
    wait_for_rows(cluster, 10);
    broker.stop();
    require_said(cluster, kRefused);
    broker.start("changed");
    require_said(cluster, kNotLetIn);
    REQUIRE_THAT(cluster.verb({"describe", "reader"}).output, Contains(kCredentialsHint));
    REQUIRE_THAT(cluster.logs(), Contains(kRefused) && Contains(kNotLetIn));
    broker.stop();
    broker.start("right");
    produce_numbers(kafka, "rows", 10, 10);
    wait_for_rows(cluster, 20);
    require_no_trouble(cluster);
    REQUIRE(cluster.progress("reader").state == "RUNNING");
    REQUIRE(cluster.progress("reader").restarts == 0);
}

TEST_CASE("a job whose topic is deleted says so within seconds, and reads the next one of its name",
          "[integration]") {
    KafkaClient kafka(support::kafka_brokers_or_skip());
    const std::string topic = support::unique_topic("deleted");
    REQUIRE(kafka.create_topic(topic, 1));
    produce_numbers(kafka, topic, 0, 10);
    Cluster cluster({.brokers = kafka.brokers()});
    cluster.start_taskmanager({.slots = 1});
    cluster.submit(reader_of(topic, "default"));
    wait_for_rows(cluster, 10);
    // Once it has run for ten seconds, what it names was there, and may come again.
    const std::int64_t begin_ms = cluster.progress("reader").now_ms;
    (void)cluster.wait_for("reader", [&](const JobProgress& now) {
        return now.now_ms - begin_ms > std::int64_t{11'000};
    });
    REQUIRE(kafka.delete_topic(topic));
    require_said(cluster, "last failure: rows: cannot use topic " + topic);
    (void)cluster.wait_for("reader", [](const JobProgress& now) { return now.restarts >= 2; });
    REQUIRE(kafka.create_topic(topic, 1));
    produce_numbers(kafka, topic, 0, 5);
    wait_for_rows(cluster, 5);
    REQUIRE(cluster.progress("reader").state == "RUNNING");
}

TEST_CASE("run waits for a broker and a topic that are not there yet", "[integration]") {
    OwnBroker broker;
    const support::TempDir folder;
    Process run =
        start_run(folder, reader_of("rows", "default", "print"), {"--kafka", broker.address()});
    require_said(run, kRefused);
    require_said(run, "millrace: the job is tried again in 1.");
    broker.start();
    require_said(run, "cannot use topic rows");
    KafkaClient kafka(broker.address());
    REQUIRE(kafka.create_topic("rows", 1));
    produce_numbers(kafka, "rows", 7, 2);
    REQUIRE(support::eventually([&] { return run.output() == "{\"value\":7}\n{\"value\":8}\n"; }));
    broker.stop();
    require_said(run, "kafka default: FAIL");
    broker.start();
    produce_numbers(kafka, "rows", 9, 1);
    REQUIRE(support::eventually(
        [&] { return run.output() == "{\"value\":7}\n{\"value\":8}\n{\"value\":9}\n"; }));
    run.send(SIGINT);
    REQUIRE(run.wait() == 130);
}

}  // namespace
}  // namespace millrace::integration
