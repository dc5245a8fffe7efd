// Measures the exchange between two TaskManagers: typed rows of 250 bytes, hashed by key, encoded,
// sent over loopback, decoded and dropped.
//
//   exchange_bench [RUNS [ROWS]]
//
// Two processes, each with what a TaskManager has for it: a network thread, a pool of network
// buffers of the default sizes, and one worker. Two source tasks here hand out batches made
// beforehand; a key-hash edge deals their rows out to two tasks there, which add up the keys. A run
// is timed from the first task's start here to the other process's end, RUNS times (5) after one
// that does not count; the keys' sum is checked in each.
//
//   sources -> key hash -> encode -> buffers, credit | TCP | -> decode in place -> sums

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "memory/buffer_requirements.h"
#include "memory/network_buffer_pool.h"
#include "runtime/base/check.h"
#include "runtime/data/batch_builder.h"
#include "runtime/net/data_plane.h"
#include "runtime/task/key_hash_edge.h"
#include "runtime/task/remote_channel.h"
#include "tests/bench/machine.h"
#include "tests/bench/task_bed.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace millrace::bench {
namespace {

constexpr std::uint32_t kSenders = 2;
constexpr std::uint32_t kReceivers = 2;
constexpr std::size_t kRowsPerBatch = 1000;
constexpr std::size_t kDistinctBatches = 50;
constexpr std::size_t kRegionBytes = std::size_t{128} << 20;
constexpr std::size_t kBufferBytes = 32U << 10;
constexpr memory::BufferSettings kBuffers;

// 8 key, 8 time, 20 x 4, 8 x 8, a text of 86 and its offset: 250 bytes a row.
constexpr std::size_t kInts = 20;
constexpr std::size_t kReals = 8;
constexpr std::size_t kTextBytes = 86;

data::SchemaPtr row_schema() {
    std::vector<data::Field> fields{{"key", {.kind = data::Kind::kInt64}},
                                    {"time", {.kind = data::Kind::kTimestampMs}}};
    for (std::size_t i = 0; i < kInts; ++i)
        fields.push_back({"i" + std::to_string(i), {.kind = data::Kind::kInt32}});
    for (std::size_t i = 0; i < kReals; ++i)
        fields.push_back({"r" + std::to_string(i), {.kind = data::Kind::kFloat64}});
    fields.push_back({"text", {.kind = data::Kind::kString}});
    return *data::Schema::make(std::move(fields));
}

data::BatchPtr make_batch(data::BatchBuilder& builder, std::int64_t first_key) {
    MILLRACE_CHECK(builder.begin().has_value());
    for (std::size_t row = 0; row < kRowsPerBatch; ++row) {
        const std::int64_t key = first_key + static_cast<std::int64_t>(row);
        std::size_t column = 0;
        builder.set_int64(column++, key);
        builder.set_int64(column++, 1'700'000'000'000 + key);
        for (std::size_t i = 0; i < kInts; ++i)
            builder.set_int32(column++, static_cast<std::int32_t>(key * 31 + 7));
        for (std::size_t i = 0; i < kReals; ++i)
            builder.set_float64(column++, static_cast<double>(key) * .25);
        const std::string text(kTextBytes, static_cast<char>('a' + key % 26));
        MILLRACE_CHECK(builder.set_text(column, text).has_value());
        builder.end_row({.split = 0, .ordinal = key, .timestamp_ms = key});
    }
    return builder.finish();
}

// Adds up the keys and drops the rows.
class KeySum final : public operators::Step {
  public:
    explicit KeySum(std::uint64_t& sum) : sum_(sum) {}

    Status open(operators::OperatorContext&) override { return {}; }
    Result<operators::Progress> process(const data::BatchPtr& batch, std::uint32_t,
                                        operators::Output&) override {
        const auto* keys = batch->column(0).as<std::int64_t>();
        for (std::size_t row = 0; row < batch->rows(); ++row)
            sum_ += static_cast<std::uint64_t>(keys[row]);
        return operators::Progress::kDone;
    }

  private:
    std::uint64_t& sum_;
};

net::ChannelKey channel(std::uint32_t from, std::uint32_t to) {
    return {.job = {1, 1}, .attempt = Attempt{1}, .channel = from * kReceivers + to};
}

// What a process has for the exchange.
struct Network {
    explicit Network(const char* name)
        : metrics(registry, {}),
          thread("net"),
          pool(*memory::NetworkBufferPool::create({.buffers = 1024, .buffer_bytes = kBufferBytes})),
          plane(thread.loop(), clock, metrics, {.cluster = "bench", .process_id = name}) {}

    const SystemClock clock;
    metrics::Registry registry;
    metrics::MetricGroup metrics;
    net::EventLoopThread thread;
    std::unique_ptr<memory::NetworkBufferPool> pool;
    net::DataPlane plane;
    const data::CodecLimits limits{.buffer_bytes = kBufferBytes};
};

// ---- the receiving process

int receive() {
    Network network("receiver");
    MILLRACE_CHECK(network.plane.listen({"127.0.0.1", 0}).has_value());
    millrace::test::SlotWorld memory(kRegionBytes);
    std::vector<std::unique_ptr<net::RemoteGate>> gates;
    std::vector<std::unique_ptr<task::RemoteInputChannel>> channels;
    std::vector<std::uint64_t> sums(kReceivers);
    const memory::GateNeed need = memory::need_of_gate(kBuffers, {.remote = kSenders, .local = 0});
    {
        TaskBed bed(memory);
        for (std::uint32_t to = 0; to < kReceivers; ++to) {
            gates.push_back(*network.plane.open_gate(
                *network.pool,
                {.name = "in",
                 .exclusive_per_channel = need.exclusive_per_channel,
                 .floating_floor = static_cast<std::uint32_t>(need.floating_required),
                 .floating_ceiling = static_cast<std::uint32_t>(need.floating_max)}));
            std::vector<std::vector<task::InputChannel*>> inputs(1);
            for (std::uint32_t from = 0; from < kSenders; ++from) {
                channels.push_back(std::make_unique<task::RemoteInputChannel>(
                    *gates.back()->open_input(channel(from, to)), row_schema(), memory.batches(),
                    network.limits));
                inputs[0].push_back(channels.back().get());
            }
            task::OperatorChain& chain = bed.add_task("sum" + std::to_string(to)).chain();
            (void)chain.add_root(std::make_unique<KeySum>(sums[to]), bed.context(to, kReceivers),
                                 std::make_unique<task::InputGate>(inputs));
        }
        std::printf("port %u\n", static_cast<unsigned>(network.plane.port()));
        std::fflush(stdout);
        bed.run(1);
        channels.clear();
    }
    gates.clear();
    std::printf("sum %llu cpu %.6f\n", static_cast<unsigned long long>(sums[0] + sums[1]),
                process_cpu_seconds());
    return 0;
}

// ---- the sending process

double number_behind(const std::string& text, const std::string& word) {
    const std::size_t at = text.find(word + " ");
    MILLRACE_CHECK(at != std::string::npos);
    return std::strtod(text.c_str() + at + word.size() + 1, nullptr);
}

struct Run {
    double rows_per_second = 0;
    double send_us = 0;  // CPU of a row, all threads of the process.
    double receive_us = 0;
};

void send(Network& network, millrace::test::SlotWorld& memory,
          const std::vector<data::BatchPtr>& batches, std::size_t rows, std::uint16_t port) {
    const memory::BufferNeed need =
        memory::need_of_partition(kBuffers, {.remote = kReceivers, .local = 0});
    std::vector<std::unique_ptr<memory::LocalBufferPool>> pools;
    std::vector<std::unique_ptr<task::RemoteOutputChannel>> channels;
    TaskBed bed(memory);
    for (std::uint32_t from = 0; from < kSenders; ++from) {
        task::Task& task = bed.add_task("source" + std::to_string(from));
        pools.push_back(
            *network.pool->create_pool("out",
                                       {.buffers_floor = static_cast<std::uint32_t>(need.required),
                                        .buffers_ceiling = static_cast<std::uint32_t>(need.target)},
                                       [&task] { task.wake(); }));
        std::vector<task::OutputChannel*> outputs;
        for (std::uint32_t to = 0; to < kReceivers; ++to) {
            channels.push_back(std::make_unique<task::RemoteOutputChannel>(
                network.plane.open_output({"127.0.0.1", port}, channel(from, to),
                                          {.queue_buffers_max = kBuffers.max_buffers_per_channel}),
                *pools.back(), row_schema(), memory.batches(), network.limits));
            outputs.push_back(channels.back().get());
        }
        const auto node = task.chain().add_source(
            std::make_unique<PreparedSource>(batches, rows / kRowsPerBatch / kSenders),
            bed.context(from, kSenders));
        task.chain().add_edge(
            node, 0, task::make_key_hash_edge(outputs, memory.batches(), {.key_columns = {0}}));
    }
    bed.run(1);
    // Buffers that come back wake the tasks.
    channels.clear();
    pools.clear();
}

Run measure(millrace::test::SlotWorld& memory, const std::vector<data::BatchPtr>& batches,
            std::size_t rows, std::uint64_t sum) {
    const support::TempDir folder;
    auto other = support::Process::start({.argv = {"/proc/self/exe", "receive"}, .name = "receive"},
                                         folder.path());
    MILLRACE_CHECK(other.has_value());
    MILLRACE_CHECK(support::eventually([&] { return other->output().ends_with("\n"); }));
    const auto port = static_cast<std::uint16_t>(number_behind(other->output(), "port"));
    Network network("sender");
    const double cpu = process_cpu_seconds();
    const TimePoint begin = network.clock.now();
    send(network, memory, batches, rows, port);
    const Result<int> ended = other->wait();
    MILLRACE_CHECK(ended.has_value() && *ended == 0);
    const double seconds = std::chrono::duration<double>(network.clock.now() - begin).count();
    const double cpu_here = process_cpu_seconds() - cpu;
    const std::string said = other->output();
    MILLRACE_CHECK(said.find("sum " + std::to_string(sum) + " ") != std::string::npos);
    const auto count = static_cast<double>(rows);
    return {.rows_per_second = count / seconds,
            .send_us = cpu_here / count * 1e6,
            .receive_us = number_behind(said, "cpu") / count * 1e6};
}

int run(std::size_t runs, std::size_t rows) {
    millrace::test::SlotWorld memory(kRegionBytes);
    data::BatchBuilder builder(row_schema(), memory.batches());
    std::vector<data::BatchPtr> batches;
    for (std::size_t i = 0; i < kDistinctBatches; ++i)
        batches.push_back(make_batch(builder, static_cast<std::int64_t>(i * kRowsPerBatch)));
    // Each of the batches goes out equally often.
    const std::uint64_t distinct = kDistinctBatches * kRowsPerBatch;
    const std::uint64_t sum = rows / distinct * (distinct * (distinct - 1) / 2);
    std::printf("machine: %s\ncommand: exchange_bench %zu %zu\n", machine().c_str(), runs, rows);
    std::vector<Run> measured;
    for (std::size_t i = 0; i <= runs; ++i) {
        const Run one = measure(memory, batches, rows, sum);
        if (i > 0) measured.push_back(one);
    }
    std::ranges::sort(measured, {}, &Run::rows_per_second);
    const Run& middle = measured[runs / 2];
    std::printf("M rows/s of 250 bytes: %.2f %.2f %.2f (min, mid, max); target: 1 and more\n",
                measured.front().rows_per_second / 1e6, middle.rows_per_second / 1e6,
                measured.back().rows_per_second / 1e6);
    std::printf("us of CPU a row: sender %.3f, receiver %.3f\n", middle.send_us, middle.receive_us);
    return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
    if (argc == 2 && std::strcmp(argv[1], "receive") == 0) return millrace::bench::receive();
    constexpr long kUnit = 100'000;  // Both sources hand out every batch equally often.
    const long runs = argc > 1 ? std::atol(argv[1]) : 5;
    const long rows = argc > 2 ? std::atol(argv[2]) : 5'000'000;
    if (runs < 1 || rows < kUnit || rows % kUnit != 0) {
        std::fputs("usage: exchange_bench [RUNS [ROWS]], ROWS a multiple of 100000\n", stderr);
        return 64;
    }
    return millrace::bench::run(static_cast<std::size_t>(runs), static_cast<std::size_t>(rows));
}
