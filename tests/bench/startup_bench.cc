// Measures what is there before the first record: memory at rest, and how long until a job begins.
//
//   startup_bench HOST:PORT [RUNS]
//
// RUNS (5) rounds of:
//   idle    JobManager and TaskManager with default settings, 3 s after the registration: their
//           resident memory together
//   demo    `millrace demo`: from its start to the first prediction in its embedded broker, and to
//           its first line of progress
//   submit  jobs/ctr.yaml over the broker at HOST:PORT, 20,000 events loaded beforehand: from the
//           start of `millrace submit` to the first prediction in the topic
// The broker is asked every 5 ms. The middle of the runs is printed with the extremes.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "ml/synthetic_ctr.h"
#include "runtime/base/check.h"
#include "tests/bench/bench_cluster.h"
#include "tests/support/kafka_client.h"

namespace millrace::bench {
namespace {

using support::KafkaClient;
using support::KafkaRecord;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kEvents = 20'000;
constexpr std::chrono::milliseconds kLookEvery{5};
constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::seconds kSettle{3};

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

void wait_until(const std::function<bool()>& is_true) {
    const auto begin = Clock::now();
    while (!is_true()) {
        MILLRACE_CHECK(Clock::now() - begin < kPatience);
        std::this_thread::sleep_for(kLookEvery);
    }
}

double mib(const support::Process& process) {
    return static_cast<double>(process.usage().value().rss_bytes) / (1U << 20U);
}

struct Idle {
    double jobmanager_mib = 0;
    double taskmanager_mib = 0;
};

Idle run_idle() {
    BenchCluster cluster("");
    const support::Process& worker = cluster.start_taskmanager(4, {});
    std::this_thread::sleep_for(kSettle);
    return {.jobmanager_mib = mib(cluster.jobmanager()), .taskmanager_mib = mib(worker)};
}

struct Demo {
    double prediction_seconds = 0;
    double line_seconds = 0;
};

Demo run_demo() {
    const support::TempDir folder;
    const std::filesystem::path file = folder / "port";
    const auto begin = Clock::now();
    const auto process =
        support::Process::start({.argv = {MILLRACE_BINARY, "demo", "--port-file", file.string()},
                                 .environment = {{"KAFKA_BROKERS", ""}},
                                 .name = "demo"},
                                folder.path());
    MILLRACE_CHECK(process.has_value());
    wait_until([&] { return std::filesystem::exists(file); });
    std::string brokers = support::read_file(file);
    brokers = brokers.substr(brokers.find('=') + 1);
    while (!brokers.empty() && brokers.back() == '\n') brokers.pop_back();
    KafkaClient kafka(brokers);
    Demo demo;
    wait_until([&] {
        const auto count = kafka.record_count("ad_predictions");
        return count && *count > 0;
    });
    demo.prediction_seconds = seconds_since(begin);
    wait_until([&] { return (process->output() + process->errors()).contains("events/s"); });
    demo.line_seconds = seconds_since(begin);
    return demo;
}

std::string event_json(std::size_t number, const ml::SyntheticCtrStream::Event& event) {
    std::string text =
        fmt::format(R"({{"impression_id":"i{:08}","ts":{})", number, 1'700'000'000'000 + number);
    for (std::size_t i = 0; i < event.fields.size(); ++i)
        text += fmt::format(R"(,"f{}":{})", i, event.fields[i]);
    return text + fmt::format(R"(,"label":{}}})", event.click ? 1 : 0);
}

std::string topic_of(KafkaClient& kafka, const char* stem, int partitions) {
    std::string topic = support::unique_topic(stem);
    MILLRACE_CHECK(kafka.create_topic(topic, partitions).has_value());
    return topic;
}

void load(KafkaClient& kafka, const std::string& topic, std::int32_t partitions) {
    ml::SyntheticCtrStream stream(1);
    std::vector<KafkaRecord> records(kEvents);
    for (std::size_t i = 0; i < kEvents; ++i) {
        records[i].partition = static_cast<std::int32_t>(i) % partitions;
        records[i].value = event_json(i, stream.next());
    }
    MILLRACE_CHECK(kafka.produce(topic, records).has_value());
}

void replace(std::string& text, const std::string& old, const std::string& by) {
    const std::size_t at = text.find(old);
    MILLRACE_CHECK(at != std::string::npos);
    text.replace(at, old.size(), by);
}

double run_submit(KafkaClient& kafka, const std::string& clicks) {
    const std::string predictions = topic_of(kafka, "bench_predictions", 4);
    const std::string quality = topic_of(kafka, "bench_quality", 1);
    const std::string dead_letters = topic_of(kafka, "bench_dlq", 1);
    std::string job = support::read_file(std::string(MILLRACE_SOURCE_DIR) + "/jobs/ctr.yaml");
    replace(job, "topic: ad_clicks", "topic: " + clicks);
    replace(job, "topic: ad_predictions", "topic: " + predictions);
    replace(job, "topic: ad_quality", "topic: " + quality);
    replace(job, "topic: ctr_dlq", "topic: " + dead_letters);
    BenchCluster cluster(kafka.brokers());
    cluster.start_taskmanager(16, {});
    (void)kafka.record_count(predictions);  // So that the first look costs no metadata.
    const auto begin = Clock::now();
    std::jthread submitting([&] { cluster.submit(job); });
    wait_until([&] { return kafka.record_count(predictions).value() > 0; });
    const double seconds = seconds_since(begin);
    submitting.join();
    cluster.cancel("ctr");
    for (const std::string& topic : {predictions, quality, dead_letters})
        (void)kafka.delete_topic(topic);
    return seconds;
}

void print(const char* name, std::vector<double> values, const char* unit, const char* target) {
    std::ranges::sort(values);
    std::printf("%-44s %7.2f (%.2f to %.2f) %-4s target: %s\n", name, values[values.size() / 2],
                values.front(), values.back(), unit, target);
}

int run(const std::string& brokers, std::size_t rounds) {
    KafkaClient kafka(brokers);
    const std::string clicks = topic_of(kafka, "bench_clicks", 4);
    load(kafka, clicks, 4);
    std::vector<double> both, jobmanager, taskmanager, prediction, line, submit;
    for (std::size_t round = 0; round < rounds; ++round) {
        const Idle idle = run_idle();
        jobmanager.push_back(idle.jobmanager_mib);
        taskmanager.push_back(idle.taskmanager_mib);
        both.push_back(idle.jobmanager_mib + idle.taskmanager_mib);
        const Demo demo = run_demo();
        prediction.push_back(demo.prediction_seconds);
        line.push_back(demo.line_seconds);
        submit.push_back(run_submit(kafka, clicks));
    }
    (void)kafka.delete_topic(clicks);
    std::printf("machine: %s\ncommand: startup_bench %s %zu\n", machine().c_str(), brokers.c_str(),
                rounds);
    print("idle JobManager and TaskManager", both, "MiB", "below 143 (150 MB)");
    print("  the JobManager", jobmanager, "MiB", "-");
    print("  the TaskManager", taskmanager, "MiB", "-");
    print("demo to its first prediction", prediction, "s", "below 5");
    print("demo to its first line of progress", line, "s", "-");
    print("submit to the first prediction", submit, "s", "below 1");
    return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
    if (argc < 2 || rounds < 1) {
        std::fputs("usage: startup_bench HOST:PORT [RUNS >= 1]\n", stderr);
        return 64;
    }
    return millrace::bench::run(argv[1], static_cast<std::size_t>(rounds));
}
