// Which exit code each verb ends with, and that one line says what to do.

#include <algorithm>
#include <csignal>

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

std::string nobody() { return "127.0.0.1:" + std::to_string(support::free_port()); }

std::string reader_of(const std::string& topic) {
    return "version: 1\nname: reader\nruntime: { restart: { give_up_after: 0 } }\n"
           "schemas:\n  row: { value: int64 }\n"
           "sources:\n  numbers: { type: kafka, topic: " +
           topic +
           ", schema: row, start: earliest }\n"
           "sinks:\n  nowhere: { type: discard, from: numbers }\n";
}

// One line of what went wrong, and nothing on standard output.
void require_refusal(const Finished& finished, int exit_code, const std::string& reason) {
    CAPTURE(finished.output, finished.errors);
    REQUIRE(finished.exit_code == exit_code);
    REQUIRE_THAT(finished.errors, Contains(reason));
    REQUIRE(finished.output.empty());
    REQUIRE(std::count(finished.errors.begin(), finished.errors.end(), '\n') == 1);
}

// Under the line of the source, with its fix.
void require_refusal_in_file(const Finished& finished, int exit_code, const std::string& reason) {
    CAPTURE(finished.output, finished.errors);
    REQUIRE(finished.exit_code == exit_code);
    REQUIRE_THAT(finished.errors, Contains(reason) && Contains(".yaml:7:") &&
                                      Contains("\n  7 |   numbers: {") && Contains("\n  fix: ") &&
                                      Contains("\n1 error\n"));
    REQUIRE(finished.output.empty());
}

TEST_CASE("a JobManager that does not answer ends every client verb with 69", "[integration]") {
    const support::TempDir folder;
    const std::string job = folder.write("job.yaml", endless_job("early", 1)).string();
    const std::string server = nobody();
    for (std::vector<std::string> words : std::vector<std::vector<std::string>>{
             {"submit", job}, {"list"}, {"describe", "early"}, {"cancel", "early"}}) {
        words.insert(words.end(), {"--server", server});
        require_refusal(millrace(words), 69, server);
    }
}

TEST_CASE("an unreachable broker ends submit and run with 69", "[integration]") {
    const std::string broker = nobody();
    Cluster cluster({.brokers = broker});
    cluster.start_taskmanager({.slots = 1});
    const Finished submitted = cluster.try_submit(reader_of("numbers"));
    require_refusal_in_file(submitted, 69, broker);
    const std::string job = cluster.folder().write("run.yaml", reader_of("numbers")).string();
    require_refusal_in_file(millrace({"run", "--kafka", broker, job}), 69, broker);
}

TEST_CASE("a missing topic ends submit and run with 78", "[integration]") {
    const std::string brokers = support::kafka_brokers_or_skip();
    Cluster cluster({.brokers = brokers});
    cluster.start_taskmanager({.slots = 1});
    const std::string text = reader_of(support::unique_topic("absent"));
    require_refusal_in_file(cluster.try_submit(text), 78, "Unknown topic or partition [E110]");
    const std::string job = cluster.folder().write("run.yaml", text).string();
    require_refusal_in_file(millrace({"run", "--kafka", brokers, job}), 78,
                            "Unknown topic or partition [E110]");
}

TEST_CASE("a process that lacks port, memory or permission says so in one line", "[integration]") {
    Cluster cluster({});
    const std::string taken = "127.0.0.1:" + std::to_string(cluster.rest_port());
    const auto require_taken = [&](const std::vector<std::string>& words, const std::string& flag) {
        const Finished finished = millrace(words);
        require_refusal(finished, 69, "cannot listen on " + taken);
        REQUIRE_THAT(finished.errors, Contains("or choose another port with " + flag + "\n"));
    };
    require_taken({"jobmanager", "--rest", taken, "--control", "127.0.0.1:0"}, "--rest");
    require_taken({"local", "--rest", "127.0.0.1:0", "--control", taken}, "--control");
    require_taken({"taskmanager", "--data", taken}, "--data");
    require_taken({"taskmanager", "--metrics", taken}, "--metrics");
    // 622 MiB of managed memory in an address space of 586.
    const auto cramped = support::run(
        {.argv = {"sh", "-c", "ulimit -v 600000; exec \"$0\" taskmanager", MILLRACE_BINARY}});
    REQUIRE(cramped);
    require_refusal(*cramped, 78, "Hint: lower taskmanager.memory.process.size");
    require_refusal(millrace({"jobmanager", "--rest", "0.0.0.0:0", "--control", "127.0.0.1:0"}), 77,
                    "or allow it with --allow-remote");
    require_refusal(millrace({"jobmanager", "--rest", "127.0.0.1:0", "--control", "127.0.0.1:0",
                              "--port-file", "/nowhere/ports"}),
                    78, "cannot write the port file /nowhere/ports: No such file or directory");
    require_refusal(millrace({"demo", "--port-file", "/nowhere/port"}, kNoBroker), 78,
                    "cannot write the port file /nowhere/port: No such file or directory");
}

TEST_CASE("a wrong configuration ends a process with 78, before anything is opened",
          "[integration]") {
    const Finished unknown = millrace({"taskmanager", "-D", "taskmanager.memory.proces.size=1g"});
    CAPTURE(unknown.errors);
    REQUIRE(unknown.exit_code == 78);
    REQUIRE_THAT(unknown.errors, Contains("taskmanager.memory.process.size"));
    const Finished ours = millrace({"jobmanager", "-D", "jobmanager.memory.proces.size=1g"});
    REQUIRE(ours.exit_code == 78);
    REQUIRE_THAT(ours.errors, Contains("jobmanager.memory.process.size"));
    const Finished small = millrace({"taskmanager", "-D", "taskmanager.memory.process.size=100m"});
    REQUIRE(small.exit_code == 78);
}

TEST_CASE("a configuration file is read like flags, which beat it", "[integration]") {
    const support::TempDir folder;
    const std::string wrong = folder
                                  .write("wrong.yaml",
                                         "taskmanager:\n"
                                         "  memory.proces.size: 1g\n"
                                         "  memory.network.fraction: 2\n")
                                  .string();
    // Every mistake, with its line; and nothing was opened.
    const Finished refused = millrace({"taskmanager", "--config", wrong});
    CAPTURE(refused.errors);
    REQUIRE(refused.exit_code == 78);
    CHECK_THAT(refused.errors,
               Contains(wrong + ":2: taskmanager.memory.proces.size: unknown key. Hint: did you "
                                "mean taskmanager.memory.process.size?"));
    CHECK_THAT(refused.errors, Contains(wrong + ":3: taskmanager.memory.network.fraction"));
    CHECK(millrace({"jobmanager", "--config", wrong}).exit_code == 78);
    require_refusal(millrace({"taskmanager", "--config", "/nowhere/millrace.yaml"}), 78,
                    "cannot read the configuration file /nowhere/millrace.yaml: No such file");
    const std::string job = folder.write("job.yaml", endless_job("numbers", 3)).string();
    const std::string few =
        folder.write("few.yaml", "taskmanager:\n  numberOfTaskSlots: 2\n").string();
    const Finished small = millrace({"explain", job, "--config", few});
    CHECK(small.exit_code == 78);
    CHECK_THAT(small.errors, Contains("needs 3 slots, 2 of 2 are free"));
    const Finished enough =
        millrace({"explain", job, "--config", few, "-D", "taskmanager.numberOfTaskSlots=5"});
    CHECK(enough.exit_code == 0);
    CHECK_THAT(enough.output, Contains("assumed: 1 TaskManager of 1728 MiB with 5 slots\n"));
}

TEST_CASE("a configuration file may hold nothing", "[integration]") {
    const support::TempDir folder;
    const std::string job = folder.write("job.yaml", endless_job("numbers", 3)).string();
    const std::string text = GENERATE("", "# taskmanager.numberOfTaskSlots: 16\n");
    const std::string empty = folder.write("millrace.yaml", text).string();
    const Finished explained = millrace({"explain", job, "--config", empty});
    CAPTURE(text, explained.errors);
    REQUIRE(explained.exit_code == 0);
    require_refusal(millrace({"explain", job, "--config", folder.path().string()}), 78,
                    "Is a directory");
}

TEST_CASE("a wrong address on the command line ends with 64", "[integration]") {
    REQUIRE(millrace({"taskmanager", "--jobmanager", "here:there"}).exit_code == 64);
    REQUIRE(millrace({"list", "--server", "127.0.0.1:70000"}).exit_code == 64);
    REQUIRE(millrace({"jobmanager", "--rest", "a:b:c"}).exit_code == 64);
}

TEST_CASE("a job that is unknown, has ended or runs already ends with 1", "[integration]") {
    Cluster cluster({});
    cluster.start_taskmanager({.slots = 2});
    require_refusal(cluster.verb({"describe", "nobody"}), 1, "no such job: nobody");
    require_refusal(cluster.verb({"cancel", "nobody"}), 1, "no such job: nobody");
    cluster.submit(endless_job("twin", 1));
    require_refusal(cluster.try_submit(endless_job("twin", 1)), 1, "runs already: twin");
    REQUIRE(cluster.verb({"cancel", "twin", "--wait"}).exit_code == 0);
    require_refusal(cluster.verb({"cancel", "twin"}), 1, "has ended already");
}

TEST_CASE("a job that fails ends run with 1, one that ends with 0", "[integration]") {
    const support::TempDir folder;
    const std::string absent =
        "version: 1\nname: reader\n"
        "runtime: { restart: { give_up_after: 0 } }\n"
        "schemas:\n  row: { value: int64 }\n"
        "sources:\n  rows: { type: file, path: /nowhere/rows.csv, format: csv, schema: row }\n"
        "sinks:\n  nowhere: { type: discard, from: rows }\n";
    const Finished failed = millrace({"run", folder.write("absent.yaml", absent).string()});
    CAPTURE(failed.errors);
    REQUIRE(failed.exit_code == 1);
    REQUIRE_THAT(failed.errors, Contains("/nowhere/rows.csv"));
    const std::string ending = folder.write("ending.yaml", ending_job("ending", 1000)).string();
    REQUIRE(millrace({"run", ending}).exit_code == 0);
}

TEST_CASE("Ctrl-C ends run with 130, a stop signal a JobManager with 0", "[integration]") {
    const support::TempDir folder;
    const std::string job = folder.write("job.yaml", endless_job("numbers", 1)).string();
    auto run = support::Process::start({.argv = {MILLRACE_BINARY, "run", job}}, folder.path());
    REQUIRE(run);
    // It prints its progress each ten seconds; by then it catches signals.
    REQUIRE(support::eventually([&] { return !run->errors().empty(); }));
    run->send(SIGINT);
    const auto interrupted = run->wait();
    REQUIRE(interrupted);
    REQUIRE(*interrupted == 130);
    Cluster cluster({});
    cluster.jobmanager().terminate();
    const auto ended = cluster.jobmanager().wait();
    REQUIRE(ended);
    REQUIRE(*ended == 0);
}

}  // namespace
}  // namespace millrace::integration
