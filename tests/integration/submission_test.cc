// What a user is told when a job cannot be taken.

#include <catch2/catch.hpp>

#include "tests/integration/cluster.h"
#include "tests/integration/job_texts.h"
#include "tests/support/eventually.h"
#include "tests/support/free_port.h"
#include "tests/support/kafka_client.h"

namespace millrace::integration {
namespace {

using Catch::Matchers::Contains;
using support::Finished;
using support::KafkaClient;

constexpr int kBadConfig = 78;

std::string jobs_of(Cluster& cluster) {
    const Finished listed = cluster.verb({"list", "-o", "json"});
    REQUIRE(listed.exit_code == 0);
    return listed.output;
}

std::string reader_of(const std::string& topic) {
    return "version: 1\nname: reader\n"
           "schemas:\n  row: { value: int64 }\n"
           "sources:\n  numbers: { type: kafka, topic: " +
           topic +
           ", schema: row, start: earliest }\n"
           "sinks:\n  nowhere: { type: discard, from: numbers }\n";
}

TEST_CASE("an unknown key is refused with its place, and nothing starts", "[integration]") {
    Cluster cluster({});
    std::string text = endless_job("typo", 1);
    text.replace(text.find("preset:"), 7, "prezet:");
    const Finished refused = cluster.try_submit(text);
    REQUIRE(refused.exit_code == kBadConfig);
    REQUIRE_THAT(refused.errors, Contains("job0.yaml:4:30: error: unknown key \"prezet\""));
    REQUIRE_THAT(refused.errors, Contains("fix: did you mean \"preset\"?"));
    REQUIRE(jobs_of(cluster) == "[]\n");
}

TEST_CASE("what the server does not allow is refused under the line of the user's file",
          "[integration]") {
    Cluster cluster({});
    cluster.start_taskmanager({.slots = 1});
    const Finished refused = cluster.try_submit(
        "version: 1\nname: reader\n"
        "schemas:\n  row: { value: int64 }\n"
        "sources:\n  rows: { type: file, path: /etc/passwd, format: csv, schema: row }\n"
        "sinks:\n  nowhere: { type: discard, from: rows }\n");
    REQUIRE(refused.exit_code == kBadConfig);
    REQUIRE_THAT(
        refused.errors,
        Contains("job0.yaml:6:29: error: a submitted job cannot use the file /etc/passwd "
                 "[E102]\n") &&
            Contains("  6 |   rows: { type: file, path: /etc/passwd, format: csv, schema: "
                     "row }\n") &&
            Contains("  fix: start the JobManager with --file-root DIRECTORY; without it") &&
            Contains("1 error\nmillrace: nothing was started\n"));
    REQUIRE(jobs_of(cluster) == "[]\n");
}

TEST_CASE("describe shows what a sink has written as sent", "[integration]") {
    Cluster cluster({});
    cluster.start_taskmanager({.slots = 1});
    cluster.submit(endless_job("numbers", 1));
    const JobProgress seen = cluster.wait_for(
        "numbers", [](const JobProgress& now) { return now.steps.back().records_out > 1'000; });
    // Source and sink are one chain, so all that was read was written when it was counted.
    REQUIRE(seen.steps.size() == 1);
    REQUIRE(seen.steps.back().records_out <= seen.steps.back().records_in);
}

TEST_CASE("a job is refused when there is no TaskManager", "[integration]") {
    Cluster cluster({});
    const Finished refused = cluster.try_submit(endless_job("early", 1));
    REQUIRE(refused.exit_code == kBadConfig);
    REQUIRE_THAT(refused.errors,
                 Contains("needs 1 slot, and no TaskManager is registered. Hint: start one"));
    REQUIRE(jobs_of(cluster) == "[]\n");
}

TEST_CASE("a job is refused when its topic does not exist", "[integration]") {
    KafkaClient kafka(support::kafka_brokers_or_skip());
    Cluster cluster({.brokers = kafka.brokers()});
    cluster.start_taskmanager({.slots = 1});
    const std::string topic = support::unique_topic("absent");
    const Finished refused = cluster.try_submit(reader_of(topic));
    REQUIRE(refused.exit_code != 0);
    REQUIRE_THAT(refused.errors, Contains("job0.yaml:6:34: error: cannot use topic " + topic) &&
                                     Contains("Unknown topic or partition [E110]") &&
                                     Contains("\n  fix: create it, or check its name") &&
                                     Contains("1 error\nmillrace: nothing was started\n"));
    REQUIRE(jobs_of(cluster) == "[]\n");
    REQUIRE(cluster.free_slots() == 1);
}

TEST_CASE("a job is refused when its broker cannot be reached", "[integration]") {
    const std::string nobody = "127.0.0.1:" + std::to_string(support::free_port());
    Cluster cluster({.brokers = nobody});
    cluster.start_taskmanager({.slots = 1});
    const Finished refused = cluster.try_submit(reader_of("ad_clicks"));
    REQUIRE(refused.exit_code != 0);
    REQUIRE_THAT(refused.errors, Contains("job0.yaml:6:3: error: ") && Contains(nobody));
    REQUIRE(jobs_of(cluster) == "[]\n");
}

TEST_CASE("a job is refused while another runs under its name", "[integration]") {
    Cluster cluster({});
    cluster.start_taskmanager({.slots = 2});
    cluster.submit(endless_job("twin", 1));
    const Finished refused = cluster.try_submit(endless_job("twin", 1));
    REQUIRE(refused.exit_code != 0);
    REQUIRE_THAT(refused.errors, Contains("a job of this name runs already: twin"));
    REQUIRE_THAT(refused.errors, Contains("Hint: cancel it first"));
    REQUIRE(cluster.free_slots() == 1);
}

TEST_CASE("a job that needs more slots than are free is refused with the numbers",
          "[integration]") {
    Cluster cluster({});
    cluster.start_taskmanager({.slots = 3});
    cluster.start_taskmanager({.slots = 3});
    cluster.submit(endless_job("first", 2));
    cluster.wait_for_state("first", "RUNNING");
    const Finished refused = cluster.try_submit(endless_job("second", 5));
    REQUIRE(refused.exit_code == kBadConfig);
    REQUIRE_THAT(refused.errors, Contains("job second needs 5 slots, 4 of 6 are free on 2 "
                                          "TaskManagers") &&
                                     Contains("taskmanager.numberOfTaskSlots"));
    REQUIRE(cluster.free_slots() == 4);
    cluster.submit(endless_job("third", 4));
    cluster.wait_for_state("third", "RUNNING");
    REQUIRE(cluster.free_slots() == 0);
}

TEST_CASE("a job whose models do not fit in one TaskManager is refused with the numbers",
          "[integration]") {
    KafkaClient kafka(support::kafka_brokers_or_skip());
    const ClickTopics topics(kafka, 4);
    Cluster cluster({.brokers = kafka.brokers()});
    cluster.start_taskmanager({.slots = 8});
    cluster.start_taskmanager({.slots = 8});
    const Finished refused = cluster.try_submit(ClickJob{}.text(topics));
    REQUIRE(refused.exit_code == kBadConfig);
    REQUIRE_THAT(refused.errors,
                 Contains("needs 16 slots of one TaskManager") &&
                     Contains("the one with most free slots has 8") &&
                     Contains("start one with taskmanager.numberOfTaskSlots=16 or more"));
    REQUIRE(jobs_of(cluster) == "[]\n");
}

TEST_CASE("a job that cannot have its network buffers is refused with the numbers",
          "[integration]") {
    KafkaClient kafka(support::kafka_brokers_or_skip());
    const ClickTopics topics(kafka, 4);
    Cluster cluster({.brokers = kafka.brokers()});
    for (int i = 0; i < 2; ++i) {
        cluster.start_taskmanager({.slots = 16,
                                   .settings = {"taskmanager.memory.network.min=1m",
                                                "taskmanager.memory.network.max=1m"}});
    }
    const ClickJob job{.parallelism = 32, .predict_parallelism = 16, .bits = 14};
    const Finished refused = cluster.try_submit(job.text(topics));
    REQUIRE(refused.exit_code == kBadConfig);
    // 1 MiB is 32 buffers; 32 sources to 16 + 8 tasks over two processes need far more.
    REQUIRE_THAT(refused.errors, Contains("job ctr does not fit in TaskManager tm-") &&
                                     Contains("network buffers") && Contains("32 of 32 are free") &&
                                     Contains("taskmanager.memory.network.max"));
    REQUIRE(jobs_of(cluster) == "[]\n");
    REQUIRE(cluster.free_slots() == 32);
}

TEST_CASE("a job whose models do not fit its slots is refused with the numbers", "[integration]") {
    KafkaClient kafka(support::kafka_brokers_or_skip());
    const ClickTopics topics(kafka, 4);
    Cluster cluster({.brokers = kafka.brokers()});
    cluster.start_taskmanager({.slots = 16});
    // Two tables of 1 GiB and their views, in 622 MiB.
    const Finished refused = cluster.try_submit(ClickJob{.bits = 26}.text(topics));
    REQUIRE(refused.exit_code == kBadConfig);
    REQUIRE_THAT(refused.errors, Contains("of managed memory, and has 38.87 MiB") &&
                                     Contains("taskmanager.memory.managed.size") &&
                                     Contains("lower taskmanager.numberOfTaskSlots"));
    REQUIRE(jobs_of(cluster) == "[]\n");
    cluster.submit(ClickJob{}.text(topics));
    cluster.wait_for_state("ctr", "RUNNING");
}

TEST_CASE("a job whose Kafka queues do not fit the task region is refused with the numbers",
          "[integration]") {
    KafkaClient kafka(support::kafka_brokers_or_skip());
    const ClickTopics topics(kafka, 4);
    Cluster cluster({.brokers = kafka.brokers()});
    // 24 MiB of it is the least for a consumer and a producer: the first job gets all of 30, in
    // smaller queues, and leaves nothing.
    cluster.start_taskmanager(
        {.slots = 32,
         .settings = {"taskmanager.memory.task.size=30m", "taskmanager.memory.managed.size=900m"}});
    cluster.submit(ClickJob{.name = "first", .bits = 14}.text(topics));
    cluster.wait_for_state("first", "RUNNING");
    const Finished refused =
        cluster.try_submit(ClickJob{.name = "second", .bits = 14}.text(topics));
    REQUIRE(refused.exit_code == kBadConfig);
    REQUIRE_THAT(refused.errors, Contains("1 Kafka consumers and 1 producers need 24 MiB") &&
                                     Contains("are free") &&
                                     Contains("taskmanager.memory.task.size"));
    REQUIRE(cluster.verb({"cancel", "first", "--wait"}).exit_code == 0);
    REQUIRE(support::eventually([&] { return cluster.free_slots() == 32; }));
    cluster.submit(ClickJob{.name = "second", .bits = 14}.text(topics));
    cluster.wait_for_state("second", "RUNNING");
}

TEST_CASE("a job whose Kafka properties ask for too long queues is refused at submission",
          "[integration]") {
    KafkaClient kafka(support::kafka_brokers_or_skip());
    const ClickTopics topics(kafka, 1);
    Cluster cluster({.brokers = kafka.brokers()});
    cluster.start_taskmanager({.slots = 2});
    const std::string text = fmt::format(
        "version: 1\nname: greedy\nschemas:\n  line: {{ text: string }}\n"
        "sources:\n  rows: {{ type: kafka, topic: {}, format: json, schema: line, parallelism: 2,\n"
        "          properties: {{ queued.max.messages.kbytes: \"200000\" }} }}\n"
        "sinks:\n  nowhere: {{ type: discard, from: rows }}\n",
        topics.clicks);
    const Finished refused = cluster.try_submit(text);
    CAPTURE(refused.errors);
    REQUIRE(refused.exit_code != 0);
    // Of 64 MiB 8 are set aside for an answer; half of the rest is for bytes, shared by 2 readers.
    REQUIRE_THAT(refused.errors,
                 Contains("queued.max.messages.kbytes is 200000") && Contains("allows 14336"));
    REQUIRE(cluster.free_slots() == 2);
}

}  // namespace
}  // namespace millrace::integration
