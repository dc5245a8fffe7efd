// Prints ns a row, on one core, of the two ways out of a task: typed rows of 250 bytes through the
// slice codec (whole batches, and key-hashed: a quarter of the rows listed), and prediction records
// of about 91 bytes as JSON. Takes google-benchmark's flags; five repetitions unless told
// otherwise.

#include <charconv>
#include <cstring>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "operators/format/json_encoder.h"
#include "runtime/base/random.h"
#include "runtime/data/codec.h"
#include "tests/support/buffer_world.h"
#include "tests/support/slot_world.h"

namespace millrace::bench {
namespace {

using data::BatchPtr;
using data::Kind;

constexpr std::size_t kRows = 1000;

// 20 of position, 8 + 4 + 26 of text, 16 int64 and 16 int32: 250 bytes a row.
BatchPtr typed_rows(test::SlotWorld& world) {
    std::vector<data::Field> fields = {{"id", {Kind::kString, {}}},
                                       {"ts", {Kind::kTimestampMs, {}}}};
    for (int i = 0; i < 16; ++i) {
        fields.push_back({"l" + std::to_string(i), {Kind::kInt64, {}}});
        fields.push_back({"i" + std::to_string(i), {Kind::kInt32, {}}});
    }
    data::BatchBuilder builder(*data::Schema::make(std::move(fields)), world.batches());
    MILLRACE_CHECK(builder.begin().has_value());
    for (std::int64_t row = 0; row < static_cast<std::int64_t>(kRows); ++row) {
        MILLRACE_CHECK(
            builder.set_text(0, "impression-0000000000000" + std::to_string(10 + row % 90))
                .has_value());
        builder.set_int64(1, row);
        for (std::size_t i = 0; i < 16; ++i) {
            builder.set_int64(2 + 2 * i, row);
            builder.set_int32(3 + 2 * i, static_cast<std::int32_t>(row));
        }
        builder.end_row({0, row, 0});
    }
    return builder.finish();
}

BatchPtr predictions(test::SlotWorld& world) {
    data::BatchBuilder builder(
        *data::Schema::make({{"impression_id", {Kind::kString, {}}},
                             {"ts", {Kind::kTimestampMs, {}}},
                             {"predictions.ctr.score", {Kind::kFloat32, {}}},
                             {"predictions.ctr.version", {Kind::kInt64, {}}}}),
        world.batches());
    Random random(3);
    MILLRACE_CHECK(builder.begin().has_value());
    for (std::int64_t row = 0; row < static_cast<std::int64_t>(kRows); ++row) {
        MILLRACE_CHECK(builder.set_text(0, "i" + std::to_string(10'000'000 + row)).has_value());
        builder.set_int64(1, 1'700'000'000'000 + row);
        builder.set_float32(2, static_cast<float>(random.unit() * random.unit()));
        builder.set_int64(3, row);
        builder.end_row({0, row, 0});
    }
    return builder.finish();
}

// Gives what one iteration wrote, and the time of a row beside that of an iteration.
void report(benchmark::State& state, std::size_t rows, std::size_t bytes) {
    const auto count = static_cast<double>(rows);
    state.counters["row"] = benchmark::Counter(
        count, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
    state.counters["bytes/row"] = static_cast<double>(bytes) / count;
}

// Typed rows through buffers and back; one row of `every` is listed, as after a key hash.
void slices(benchmark::State& state) {
    test::SlotWorld world;
    test::BufferWorld buffers(2);
    const BatchPtr batch = typed_rows(world);
    data::SliceEncoder encoder(batch->schema(), world.batches(), {});
    data::SliceDecoder decoder(batch->schema(), world.batches(), {});
    const auto every = static_cast<std::size_t>(state.range(0));
    std::vector<std::uint16_t> listed;
    for (std::size_t row = 0; row < kRows; row += every)
        listed.push_back(static_cast<std::uint16_t>(row));
    std::size_t bytes = 0;
    for (auto _ : state) {
        bytes = 0;
        if (every == 1)
            encoder.start(batch);
        else
            encoder.start(batch, listed);
        while (!encoder.is_done()) {
            memory::NetworkBuffer buffer = buffers.lend();
            MILLRACE_CHECK(encoder.encode_next(buffer).has_value());
            bytes += buffer.size();
            benchmark::DoNotOptimize((**decoder.decode(buffer))->rows());
        }
    }
    report(state, listed.size(), bytes);
}

// What a program written for this one record would do, with four decimals, as a yardstick.
std::size_t encode_by_hand(const data::Batch& batch, std::vector<char>& room) {
    char* out = room.data();
    const auto put = [&](std::string_view text) {
        std::memcpy(out, text.data(), text.size());
        out += text.size();
    };
    for (std::size_t row = 0; row < batch.rows(); ++row) {
        put("{\"impression_id\":\"");
        put(batch.column(0).text_at(row));
        put("\",\"ts\":");
        out = std::to_chars(out, out + 24, batch.column(1).as<std::int64_t>()[row]).ptr;
        put(",\"predictions\":{\"ctr\":{\"score\":0.");
        const auto score =
            static_cast<std::uint32_t>(batch.column(2).as<float>()[row] * 10'000 + 0.5F);
        for (const std::uint32_t unit : {1000U, 100U, 10U, 1U}) {
            *out++ = static_cast<char>('0' + score / unit % 10);
        }
        put(",\"version\":");
        out = std::to_chars(out, out + 24, batch.column(3).as<std::int64_t>()[row]).ptr;
        put("}}}");
    }
    return static_cast<std::size_t>(out - room.data());
}

void json_records(benchmark::State& state) {
    test::SlotWorld world;
    const BatchPtr batch = predictions(world);
    const auto encoder = *operators::JsonEncoder::make(batch->schema());
    std::vector<char> room(std::size_t{1} << 20);
    std::vector<std::uint32_t> ends(kRows);
    for (auto _ : state) MILLRACE_CHECK_EQ(encoder->encode(*batch, 0, room, ends), kRows);
    report(state, kRows, ends.back());
}

void json_records_by_hand(benchmark::State& state) {
    test::SlotWorld world;
    const BatchPtr batch = predictions(world);
    std::vector<char> room(std::size_t{1} << 20);
    std::size_t bytes = 0;
    for (auto _ : state) bytes = encode_by_hand(*batch, room);
    report(state, kRows, bytes);
}

BENCHMARK(slices)->ArgName("one row of")->Arg(1)->Arg(4);
BENCHMARK(json_records);
BENCHMARK(json_records_by_hand);

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
    std::vector<char*> arguments(argv, argv + argc);
    // Flags given later win.
    std::string repetitions = "--benchmark_repetitions=5";
    std::string aggregates = "--benchmark_report_aggregates_only=true";
    arguments.insert(arguments.begin() + 1, {repetitions.data(), aggregates.data()});
    int count = static_cast<int>(arguments.size());
    benchmark::Initialize(&count, arguments.data());
    if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 64;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
