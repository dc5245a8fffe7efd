// What `explain` promises before a job runs, against what TaskManagers report while it does.

#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/integration/click_events.h"
#include "tests/integration/cluster.h"
#include "tests/integration/job_texts.h"
#include "tests/support/eventually.h"
#include "tests/support/kafka_client.h"

namespace millrace::integration {
namespace {

using Catch::Matchers::Contains;
using support::Finished;
using support::KafkaClient;

std::vector<MemoryFigures> explained(const Cluster& cluster, const std::string& text,
                                     std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"explain", cluster.folder().write("explained.yaml", text).string(),
                                 "-o", "json"});
    const Finished said = millrace(std::move(flags));
    CAPTURE(said.errors);
    REQUIRE(said.exit_code == 0);
    return read_explained(said.output);
}

// Of the TaskManagers that have something of a job, in the order of their needs.
std::vector<MemoryFigures> measured(Cluster& cluster) {
    std::vector<MemoryFigures> figures;
    for (const TaskManagerView& one : cluster.taskmanagers()) {
        figures.push_back(cluster.memory(one.id));
        if (figures.back().managed == 0) figures.pop_back();
    }
    return figures;
}

void check_equal(std::vector<MemoryFigures> promised, std::vector<MemoryFigures> found) {
    std::ranges::sort(promised, {}, &MemoryFigures::network_buffers);
    std::ranges::sort(found, {}, &MemoryFigures::network_buffers);
    REQUIRE(promised.size() == found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        CAPTURE(i);
        CHECK(found[i].managed == promised[i].managed);
        CHECK(found[i].fullest_slot == promised[i].fullest_slot);
        CHECK(found[i].task == promised[i].task);
        CHECK(found[i].network_buffers == promised[i].network_buffers);
        CHECK(found[i].models == promised[i].models);
    }
}

TEST_CASE("the click job holds the memory that explain promised", "[integration]") {
    KafkaClient kafka(support::kafka_brokers_or_skip());
    const ClickTopics topics(kafka, 4);
    produce(kafka, topics.clicks, click_events(20'000), topics.partitions);
    Cluster cluster({.brokers = kafka.brokers()});
    cluster.start_taskmanager({.slots = 16});
    const std::string text = ClickJob{}.text(topics);
    const auto promised = explained(cluster, text, {});
    REQUIRE(promised.size() == 1);
    REQUIRE(promised[0].models.size() == 2);
    cluster.submit(text);
    REQUIRE(kafka.read_at_least(topics.predictions, 20'000));
    // A heartbeat later it has been reported.
    REQUIRE(support::eventually([&] { return measured(cluster).size() == 1; }));
    check_equal(promised, measured(cluster));
}

TEST_CASE("a job over two TaskManagers holds the memory that explain promised", "[integration]") {
    Cluster cluster({});
    const std::vector<std::string> settings{"taskmanager.memory.process.size=600m"};
    for (const int slots : {2, 2})
        cluster.start_taskmanager({.slots = slots, .settings = settings});
    const std::string text =
        "version: 1\nname: spread\n"
        "sources:\n  numbers: { type: generate, preset: sequence, parallelism: 4, rate: 20000/s }\n"
        "steps:\n  some: { type: filter, from: numbers, where: \"value > 10\", parallelism: 3 }\n"
        "sinks:\n  nowhere: { type: discard, from: some }\n";
    const auto promised = explained(cluster, text, {"--taskmanagers", "2", "-D", settings[0]});
    REQUIRE(promised.size() == 2);
    REQUIRE(std::ranges::min(promised, {}, &MemoryFigures::network_buffers).network_buffers > 0);
    cluster.submit(text);
    (void)cluster.wait_for("spread", [](const JobProgress& now) {
        return now.state == "RUNNING" && now.steps.back().records_in > 20'000;
    });
    REQUIRE(support::eventually([&] { return measured(cluster).size() == 2; }));
    check_equal(promised, measured(cluster));
}

TEST_CASE("explain of the click job says its slots, tables and views", "[integration]") {
    const Finished said =
        millrace({"explain", std::string(MILLRACE_SOURCE_DIR) + "/jobs/ctr.yaml"});
    CAPTURE(said.output, said.errors);
    REQUIRE(said.exit_code == 0);
    REQUIRE_THAT(said.output, Contains("needs 16 slots of one TaskManager"));
    REQUIRE_THAT(said.output,
                 Contains("assumed: 1 TaskManager of 1728 MiB with 16 slots, as many"));
    // 2^22 cells of 16 bytes; 4 bytes of each in the view of FTRL, 8 in that of AdPredictor.
    REQUIRE_THAT(said.output, Contains("ctr: table 64.0 MiB, view 16.0 MiB;"));
    REQUIRE_THAT(said.output, Contains("ctr_bayes: table 64.0 MiB, view 32.0 MiB;"));
    const Finished two = millrace(
        {"explain", std::string(MILLRACE_SOURCE_DIR) + "/jobs/ctr.yaml", "--taskmanagers", "2"});
    REQUIRE_THAT(two.output, Contains("memory in TaskManager 1 of 2\n"));
    REQUIRE_THAT(two.output, Contains("1 of 2 TaskManagers would get no task of this job"));
}

TEST_CASE("explain ends with 78 when the job would be refused, with the numbers", "[integration]") {
    const std::string job = std::string(MILLRACE_SOURCE_DIR) + "/jobs/ctr.yaml";
    const Finished small = millrace({"explain", job, "-D", "taskmanager.memory.process.size=700m"});
    CAPTURE(small.output, small.errors);
    REQUIRE(small.exit_code == 78);
    REQUIRE_THAT(small.output, Contains("refused: slot ") && Contains("of managed memory"));
    REQUIRE_THAT(small.errors, Contains("job ctr would be refused"));
    const Finished few = millrace({"explain", job, "-D", "taskmanager.numberOfTaskSlots=4"});
    CAPTURE(few.errors);
    REQUIRE(few.exit_code == 78);
    REQUIRE_THAT(few.errors, Contains("needs 16 slots"));
}

}  // namespace
}  // namespace millrace::integration
