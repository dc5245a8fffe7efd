// The click job as a user runs it, against a bare copy loop of librdkafka.
//
//   reference_job_bench HOST:PORT [EVENTS] [RUNS] [CASE...]
//
// Loads EVENTS (2,000,000) events of the synthetic stream into a topic of 4 partitions (once; the
// topic is kept and used again), then does RUNS (3) rounds of the cases:
//   copy       one process that reads every record and writes its first 100 bytes
//   fused      the same loop with the job's work in it, by hand (fused_work.h): what is reachable
//   reference  jobs/ctr.yaml less one model and the quality records
//   full       jobs/ctr.yaml as it is
// A job is submitted to a JobManager and one TaskManager of default memory and 16 slots, as
// processes. The output topic is watched: events/s is from its first records to its last, tail the
// share of that time that the last 1 % took, CPU that of the reading process (the TaskManager) over
// all threads, from start to last record. The middle of the runs is printed with the extremes; the
// ratio is to the copy loop's events/s in the same round.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "ml/synthetic_ctr.h"
#include "runtime/base/check.h"
#include "tests/bench/bench_cluster.h"
#include "tests/bench/fused_work.h"
#include "tests/bench/record_loop.h"
#include "tests/support/kafka_client.h"

namespace millrace::bench {
namespace {

using support::KafkaClient;
using support::KafkaRecord;

constexpr int kPartitions = 4;
constexpr std::int64_t kChunk = 50'000;
constexpr std::chrono::milliseconds kLookEvery{20};
constexpr std::chrono::minutes kPatience{5};

struct Measured {
    double events_per_second = 0;
    double cpu_us = 0;  // A record.
    double tail = 0;
    double first_seconds = 0;  // From the start to the first records.
    double rss_mib_max = 0;
};

std::string event_json(std::int64_t number, const ml::SyntheticCtrStream::Event& event) {
    std::string text =
        fmt::format(R"({{"impression_id":"i{:08}","ts":{})", number, 1'700'000'000'000 + number);
    for (std::size_t i = 0; i < event.fields.size(); ++i)
        text += fmt::format(R"(,"f{}":{})", i, event.fields[i]);
    return text + fmt::format(R"(,"label":{}}})", event.click ? 1 : 0);
}

// The topic with the events, loaded unless an earlier run has done so.
std::string load(KafkaClient& kafka, std::int64_t events) {
    std::string topic = fmt::format("bench_clicks_{}", events);
    const Status made = kafka.create_topic(topic, kPartitions);
    if (!made) return topic;
    std::fprintf(stderr, "loading %lld events into %s\n", static_cast<long long>(events),
                 topic.c_str());
    ml::SyntheticCtrStream stream(1);
    for (std::int64_t next = 0; next < events;) {
        std::vector<KafkaRecord> records(static_cast<std::size_t>(std::min(kChunk, events - next)));
        for (KafkaRecord& record : records) {
            record.partition = static_cast<std::int32_t>(next % kPartitions);
            record.value = event_json(next++, stream.next());
        }
        MILLRACE_CHECK(kafka.produce(topic, records).has_value());
    }
    return topic;
}

std::string new_topic(KafkaClient& kafka, int partitions) {
    std::string topic = support::unique_topic("bench_out");
    MILLRACE_CHECK(kafka.create_topic(topic, partitions).has_value());
    return topic;
}

// Watches `topic` until it holds `events` records.
Measured watch(KafkaClient& kafka, const std::string& topic, std::int64_t events,
               const std::function<support::ProcessUsage()>& usage) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    const double cpu_before = usage().cpu_seconds;
    std::optional<std::pair<Clock::time_point, std::int64_t>> first;
    std::optional<Clock::time_point> nearly;
    Measured measured;
    for (std::int64_t count = 0; count < events; std::this_thread::sleep_for(kLookEvery)) {
        MILLRACE_CHECK(Clock::now() - start < kPatience);
        count = kafka.record_count(topic).value();
        const auto now = Clock::now();
        if (count > 0 && !first) first = {now, count};
        if (count >= events / 100 * 99 && !nearly) nearly = now;
        if (count < events) continue;
        const double seconds = std::chrono::duration<double>(now - first->first).count();
        measured.events_per_second = static_cast<double>(count - first->second) / seconds;
        measured.tail = std::chrono::duration<double>(now - *nearly).count() / seconds;
    }
    const support::ProcessUsage used = usage();
    measured.cpu_us = (used.cpu_seconds - cpu_before) * 1e6 / static_cast<double>(events);
    measured.first_seconds = std::chrono::duration<double>(first->first - start).count();
    measured.rss_mib_max = static_cast<double>(used.rss_bytes_max) / (1U << 20U);
    return measured;
}

// `what` is copy or fused.
Measured run_loop(KafkaClient& kafka, const std::string& what, const std::string& clicks,
                  std::int64_t events) {
    const support::TempDir folder;
    const std::string topic = new_topic(kafka, kPartitions);
    auto process =
        support::Process::start({.argv = {"/proc/self/exe", kafka.brokers(), what + "-loop", clicks,
                                          topic, std::to_string(events)},
                                 .name = what},
                                folder.path());
    MILLRACE_CHECK(process.has_value());
    // It stays until it is told to end, so that its usage can be read.
    const Measured measured = watch(kafka, topic, events, [&] { return process->usage().value(); });
    process->terminate();
    (void)process->wait();
    (void)kafka.delete_topic(topic);
    return measured;
}

void replace(std::string& text, const std::string& old, const std::string& by) {
    const std::size_t at = text.find(old);
    MILLRACE_CHECK(at != std::string::npos);
    text.replace(at, old.size(), by);
}

// Removes the lines from `from` up to the line that begins with `to`.
void remove_lines(std::string& text, const std::string& from, const std::string& to) {
    const std::size_t begin = text.find(from);
    const std::size_t end = text.find(to, begin);
    MILLRACE_CHECK(begin != std::string::npos && end != std::string::npos);
    text.erase(begin, end - begin);
}

Measured run_job(KafkaClient& kafka, const std::string& clicks, std::int64_t events, bool full) {
    const std::string predictions = new_topic(kafka, kPartitions);
    const std::string quality = new_topic(kafka, 1);
    const std::string dead_letters = new_topic(kafka, 1);
    std::string job = support::read_file(std::string(MILLRACE_SOURCE_DIR) + "/jobs/ctr.yaml");
    replace(job, "topic: ad_clicks", "topic: " + clicks);
    replace(job, "topic: ad_predictions", "topic: " + predictions);
    replace(job, "topic: ad_quality", "topic: " + quality);
    replace(job, "topic: ctr_dlq", "topic: " + dead_letters);
    if (!full) {
        remove_lines(job, "  ctr_bayes:", "steps:");
        remove_lines(job, "  quality: ", "sinks:");
        remove_lines(job, "  metrics: ", "  bad_records:");
        replace(job, "models: [ctr, ctr_bayes], keep", "models: [ctr], keep");
        replace(job, "models: [ctr, ctr_bayes], order", "models: [ctr], order");
    }
    BenchCluster cluster(kafka.brokers());
    const support::Process& worker = cluster.start_taskmanager(16, {});
    cluster.submit(job);
    const Measured measured =
        watch(kafka, predictions, events, [&] { return worker.usage().value(); });
    cluster.cancel("ctr");
    for (const std::string& topic : {predictions, quality, dead_letters})
        (void)kafka.delete_topic(topic);
    return measured;
}

std::string spread(std::vector<double> values, const char* format) {
    std::ranges::sort(values);
    const auto text = [&](double value) { return fmt::format(fmt::runtime(format), value); };
    return fmt::format("{} ({}-{})", text(values[values.size() / 2]), text(values.front()),
                       text(values.back()));
}

void print(const std::string& name, std::span<const Measured> runs,
           std::span<const Measured> copies) {
    const auto all = [&](auto value) {
        std::vector<double> values;
        for (const Measured& run : runs) values.push_back(value(run));
        return values;
    };
    std::printf(
        "%-10s %22s %20s %18s %16s %18s", name.c_str(),
        spread(all([](const Measured& m) { return m.events_per_second / 1000; }), "{:.0f}").c_str(),
        spread(all([](const Measured& m) { return m.cpu_us; }), "{:.2f}").c_str(),
        spread(all([](const Measured& m) { return m.tail * 100; }), "{:.1f}").c_str(),
        spread(all([](const Measured& m) { return m.first_seconds; }), "{:.2f}").c_str(),
        spread(all([](const Measured& m) { return m.rss_mib_max; }), "{:.0f}").c_str());
    if (copies.size() == runs.size()) {
        std::vector<double> ratios;
        ratios.reserve(runs.size());
        for (std::size_t i = 0; i < runs.size(); ++i)
            ratios.push_back(runs[i].events_per_second / copies[i].events_per_second);
        std::printf(" %18s", spread(ratios, "{:.2f}").c_str());
    }
    std::printf("\n");
}

void measure(const std::string& brokers, std::int64_t events, std::size_t rounds,
             const std::vector<std::string>& cases) {
    KafkaClient kafka(brokers);
    const std::string clicks = load(kafka, events);
    std::vector<std::vector<Measured>> results(cases.size());
    for (std::size_t round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < cases.size(); ++i) {
            std::fprintf(stderr, "round %zu: %s\n", round + 1, cases[i].c_str());
            const bool is_loop = cases[i] == "copy" || cases[i] == "fused";
            results[i].push_back(is_loop ? run_loop(kafka, cases[i], clicks, events)
                                         : run_job(kafka, clicks, events, cases[i] == "full"));
        }
    }
    std::printf("machine: %s, librdkafka %s\n", machine().c_str(), kafka_version().c_str());
    std::printf("command: reference_job_bench %s %lld %zu\n", brokers.c_str(),
                static_cast<long long>(events), rounds);
    std::printf("%-10s %22s %20s %18s %16s %18s %18s\n", "case", "1000 events/s", "CPU us/event",
                "tail %", "first s", "RSS max MiB", "ratio to copy");
    const auto copy = std::ranges::find(cases, "copy");
    const std::vector<Measured> copies =
        copy == cases.end() ? std::vector<Measured>{}
                            : results[static_cast<std::size_t>(copy - cases.begin())];
    for (std::size_t i = 0; i < cases.size(); ++i) print(cases[i], results[i], copies);
}

// The process of the cases copy and fused.
int loop_until_told(char** argv, bool fused) {
    MakeMessages make = copy_records;
    std::optional<FusedWork> work;
    if (fused) make = std::ref(work.emplace(kPartitions));
    run_record_loop(argv[1], argv[3], argv[4], kPartitions, std::atoll(argv[5]), make);
    for (;;) ::pause();
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
    using millrace::bench::loop_until_told;
    using millrace::bench::measure;
    if (argc < 2) {
        std::fprintf(stderr, "usage: reference_job_bench HOST:PORT [EVENTS] [RUNS] [CASE...]\n");
        return 64;
    }
    const std::string_view second = argc == 6 ? argv[2] : "";
    if (second.ends_with("-loop")) return loop_until_told(argv, second == "fused-loop");
    std::vector<std::string> cases(argv + std::min(argc, 4), argv + argc);
    if (cases.empty()) cases = {"copy", "fused", "reference", "full"};
    measure(argv[1], argc > 2 ? std::atoll(argv[2]) : 2'000'000,
            argc > 3 ? static_cast<std::size_t>(std::atoi(argv[3])) : 3, cases);
    return 0;
}
