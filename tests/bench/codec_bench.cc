// Prints ns a row, on one core, of the two ways out of a task: typed rows of 250 bytes through the
// slice codec (whole batches, and key-hashed: a quarter of the rows listed), and prediction records
// of about 91 bytes as JSON. Usage: codec_bench [rounds]

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <time.h>

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

double thread_seconds() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

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

void measure(const char* what, std::size_t rounds, std::size_t rows,
             const std::function<std::size_t()>& run) {
    std::vector<double> ns;
    std::size_t bytes = 0;
    for (int i = 0; i < 6; ++i) {  // The first warms up.
        const double begin = thread_seconds();
        for (std::size_t round = 0; round < rounds; ++round) bytes = run();
        const double seconds = thread_seconds() - begin;
        if (i > 0) ns.push_back(seconds * 1e9 / static_cast<double>(rounds * rows));
    }
    std::ranges::sort(ns);
    std::printf("%-34s median %6.1f ns/row (%.1f to %.1f), %5.1f bytes/row\n", what, ns[2],
                ns.front(), ns.back(), static_cast<double>(bytes) / static_cast<double>(rows));
}

void measure_slices(std::size_t rounds, test::SlotWorld& world) {
    test::BufferWorld buffers(2);
    const BatchPtr batch = typed_rows(world);
    data::SliceEncoder encoder(batch->schema(), world.batches(), {});
    data::SliceDecoder decoder(batch->schema(), world.batches(), {});
    std::vector<std::uint16_t> listed;
    for (std::uint16_t row = 0; row < kRows; row = static_cast<std::uint16_t>(row + 4)) {
        listed.push_back(row);
    }
    const auto drain = [&] {
        std::size_t bytes = 0;
        std::size_t rows = 0;
        while (!encoder.is_done()) {
            memory::NetworkBuffer buffer = buffers.lend();
            MILLRACE_CHECK(encoder.encode_next(buffer).has_value());
            bytes += buffer.size();
            rows += (**decoder.decode(buffer))->rows();
        }
        MILLRACE_CHECK_GT(rows, std::size_t{0});
        return bytes;
    };
    measure("slices, encode + decode", rounds, kRows, [&] {
        encoder.start(batch);
        return drain();
    });
    measure("slices, key-hashed (1 row of 4)", rounds * 4, listed.size(), [&] {
        encoder.start(batch, listed);
        return drain();
    });
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

void measure_json(std::size_t rounds, test::SlotWorld& world) {
    const BatchPtr batch = predictions(world);
    const auto encoder = *operators::JsonEncoder::make(batch->schema());
    std::vector<char> room(std::size_t{1} << 20);
    std::vector<std::uint32_t> ends(kRows);
    measure("JSON prediction records", rounds, kRows, [&] {
        MILLRACE_CHECK_EQ(encoder->encode(*batch, 0, room, ends), kRows);
        return std::size_t{ends.back()};
    });
    measure("the same by hand, four decimals", rounds, kRows,
            [&] { return encode_by_hand(*batch, room); });
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
    const std::size_t rounds = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : std::size_t{300};
    millrace::test::SlotWorld world;
    millrace::bench::measure_slices(rounds, world);
    millrace::bench::measure_json(rounds, world);
    return 0;
}
