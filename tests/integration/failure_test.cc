// Jobs that are cancelled, and jobs whose TaskManager dies.

#include <csignal>
#include <set>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/integration/click_events.h"
#include "tests/integration/cluster.h"
#include "tests/integration/job_texts.h"
#include "tests/support/kafka_client.h"

namespace millrace::integration {
namespace {

using Catch::Matchers::Contains;
using support::KafkaClient;
using support::Process;

std::set<std::string> ids_predicted(KafkaClient& kafka, const std::string& topic) {
    const auto records = kafka.read_all(topic);
    REQUIRE(records);
    std::set<std::string> ids;
    for (const support::KafkaRecord& record : *records)
        ids.insert(read_prediction(record.value.value()).impression_id);
    return ids;
}

TEST_CASE("a cancelled job gives its slots back and leaks nothing", "[integration]") {
    KafkaClient kafka(support::kafka_brokers_or_skip());
    const ClickTopics topics(kafka, 4);
    produce(kafka, topics.clicks, click_events(5'000), topics.partitions);
    Cluster cluster({.brokers = kafka.brokers()});
    cluster.start_taskmanager({.slots = 16});
    const ClickJob job;
    for (const std::size_t predicted : {5'000, 10'000}) {
        cluster.submit(job.text(topics));
        REQUIRE(kafka.read_at_least(topics.predictions, predicted));
        REQUIRE(cluster.free_slots() == 0);
        REQUIRE(cluster.verb({"cancel", "ctr", "--wait"}).exit_code == 0);
        REQUIRE(cluster.progress("ctr").state == "CANCELED");
        REQUIRE(cluster.free_slots() == 16);
    }
    REQUIRE_THAT(cluster.logs(), !Contains("leak") && !Contains(" error "));
}

TEST_CASE("a job goes on in another TaskManager when its own is killed", "[integration]") {
    KafkaClient kafka(support::kafka_brokers_or_skip());
    const ClickTopics topics(kafka, 4);
    produce(kafka, topics.clicks, click_events(10'000), topics.partitions);
    Cluster cluster({.brokers = kafka.brokers()});
    cluster.start_taskmanager({.slots = 16});
    cluster.start_taskmanager({.slots = 16});
    cluster.submit(ClickJob{}.text(topics));
    REQUIRE(kafka.read_at_least(topics.predictions, 1));
    Process& victim = cluster.busy_taskmanager();
    victim.kill();
    REQUIRE(victim.wait());
    produce(kafka, topics.clicks, click_events(10'000, 10'000), topics.partitions);
    const JobProgress seen = cluster.wait_for(
        "ctr", [](const JobProgress& now) { return now.restarts == 1 && now.state == "RUNNING"; });
    REQUIRE_THAT(
        seen.last_failure,
        Contains("TaskManager tm-" + std::to_string(victim.pid()) + "-") && Contains("is lost"));
    REQUIRE(cluster.taskmanagers().size() == 1);
    REQUIRE(support::eventually(
        [&] { return ids_predicted(kafka, topics.predictions).size() == 20'000; }));
    REQUIRE(cluster.progress("ctr").restarts == 1);
    REQUIRE_THAT(cluster.verb({"describe", "ctr"}).output,
                 Contains("RUNNING  attempt 2, 1 restart\n") && Contains("is lost"));
}

TEST_CASE("a job waits for a TaskManager when none is left, and goes on in a new one",
          "[integration]") {
    Cluster cluster({});
    Process& first = cluster.start_taskmanager({.slots = 2});
    cluster.submit(endless_job("numbers", 2));
    cluster.wait_for_state("numbers", "RUNNING");
    first.kill();
    REQUIRE(first.wait());
    // The cause that it shows is the first one, not that there is no room.
    REQUIRE(support::eventually([&] {
        return cluster.verb({"describe", "numbers"}).output.find("no TaskManager is registered") !=
               std::string::npos;
    }));
    REQUIRE_THAT(cluster.verb({"describe", "numbers"}).output,
                 Contains("CREATED  attempt 2, 1 restart\n") &&
                     Contains("last failure: TaskManager tm-") &&
                     Contains("waits for room: job numbers needs 2 slots"));
    cluster.start_taskmanager({.slots = 2});
    cluster.wait_for_state("numbers", "RUNNING");
    REQUIRE(cluster.progress("numbers").restarts == 1);
    REQUIRE(cluster.free_slots() == 0);
}

TEST_CASE("a TaskManager ends its tasks when the JobManager hangs, and comes back to it",
          "[integration]") {
    Cluster cluster({.jobmanager_flags = {"--heartbeat-timeout-ms", "1000"}});
    Process& taskmanager = cluster.start_taskmanager({.slots = 2});
    cluster.submit(endless_job("numbers", 2));
    cluster.wait_for_state("numbers", "RUNNING");
    cluster.jobmanager().send(SIGSTOP);
    // Its connection stays open all the while.
    const bool is_noticed = support::eventually([&] {
        return taskmanager.errors().find(
                   "the JobManager is gone (it has not answered for 1000 "
                   "ms); cancelling all tasks") != std::string::npos;
    });
    cluster.jobmanager().send(SIGCONT);
    REQUIRE(is_noticed);
    (void)cluster.wait_for("numbers", [](const JobProgress& now) {
        return now.state == "RUNNING" && now.attempt >= 2;
    });
    REQUIRE(cluster.taskmanagers().size() == 1);
}

TEST_CASE("a TaskManager serves the next JobManager after its own was killed", "[integration]") {
    Cluster cluster({});
    Process& taskmanager = cluster.start_taskmanager({.slots = 2});
    cluster.submit(endless_job("numbers", 2));
    cluster.wait_for_state("numbers", "RUNNING");
    cluster.replace_jobmanager();
    // It ended the old job's tasks first: they belong to nobody any more.
    REQUIRE(support::eventually([&] { return cluster.free_slots() == 2; }));
    REQUIRE(taskmanager.running());
    REQUIRE_THAT(taskmanager.errors(), Contains("the JobManager is gone"));
    REQUIRE(cluster.verb({"list", "-o", "json"}).output == "[]\n");
    cluster.submit(endless_job("numbers", 2));
    cluster.wait_for_state("numbers", "RUNNING");
    (void)cluster.wait_for(
        "numbers", [](const JobProgress& now) { return now.steps.front().records_in > 1'000; });
    REQUIRE(cluster.progress("numbers").attempt == 1);
    REQUIRE(cluster.free_slots() == 0);
}

TEST_CASE("a TaskManager outlives those who read what jobs print", "[integration]") {
    Cluster cluster({});
    const std::string pipe = (cluster.folder() / "pipe").string();
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    REQUIRE(reader >= 0);
    auto taskmanager = Process::start(
        {.argv = {"/bin/sh", "-c", "exec \"$0\" \"$@\" > \"$PIPE\"", MILLRACE_BINARY, "taskmanager",
                  "--jobmanager", "127.0.0.1:" + std::to_string(cluster.control_port()), "-D",
                  "taskmanager.memory.process.size=512m"},
         .environment = {{"PIPE", pipe}}},
        cluster.folder().path());
    REQUIRE(taskmanager);
    REQUIRE(support::eventually([&] { return cluster.taskmanagers().size() == 1; }));
    ::close(reader);
    cluster.submit(
        "version: 1\nname: printer\nruntime: { restart: { give_up_after: 0 } }\n"
        "sources:\n  rows: { type: generate, preset: sequence, limit: 10rows }\n"
        "sinks:\n  out: { type: print, from: rows }\n");
    cluster.wait_for_state("printer", "FAILED");
    REQUIRE_THAT(cluster.progress("printer").last_failure, Contains("standard output"));
    REQUIRE(taskmanager->running());
}

}  // namespace
}  // namespace millrace::integration
