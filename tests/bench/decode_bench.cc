// Decodes the reference events (23 fields, about 223 bytes) into columns on one core and prints ns
// an event: JsonDecoder against a simdjson On-Demand loop written for these events, in one run,
// into the same columns. Once with all records of one shape, once with the fields of every record
// shuffled. Usage: decode_bench [events]

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <time.h>

#include "operators/format/json_decoder.h"
#include "runtime/base/check.h"
#include "tests/bench/decode_simdjson.h"
#include "tests/support/slot_world.h"

namespace millrace::bench {
namespace {

constexpr std::size_t kFields = 20;
constexpr std::size_t kRounds = 7;
constexpr std::size_t kRecordsPerCall = 1000;

double thread_seconds() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// The Zipf-like values of the synthetic CTR stream.
class Events {
  public:
    std::vector<std::string> next() {
        static constexpr std::array<double, kFields> kCardinality = {
            2,    4,    7,     12,    24,    50,     100,    200,    500, 1000,
            2000, 5000, 10000, 20000, 50000, 100000, 200000, 300000, 30,  300};
        std::vector<std::string> fields;
        char id[32];
        std::snprintf(id, sizeof id, "\"impression_id\":\"i%08d\"", count_);
        fields.emplace_back(id);
        fields.push_back("\"ts\":" + std::to_string(1'700'000'000'000 + count_++));
        for (std::size_t f = 0; f < kFields; ++f) {
            const double c = kCardinality[f];
            const double x = std::pow((std::pow(c + 1, -0.1) - 1) * unit() + 1, -10);
            const auto k = std::clamp<std::int64_t>(static_cast<std::int64_t>(x) - 1, 0,
                                                    static_cast<std::int64_t>(c) - 1);
            fields.push_back("\"f" + std::to_string(f) + "\":" + std::to_string(k));
        }
        fields.push_back(unit() < 0.09 ? "\"label\":1" : "\"label\":0");
        return fields;
    }

  private:
    double unit() { return static_cast<double>(random_()) * 0x1p-64; }

    std::mt19937_64 random_{1};
    int count_ = 0;
};

data::SchemaPtr event_schema() {
    using data::Kind;
    std::vector<data::Field> fields = {{"impression_id", {Kind::kString, {}}},
                                       {"ts", {Kind::kTimestampMs, {}}}};
    for (std::size_t f = 0; f < kFields; ++f) {
        fields.push_back({"f" + std::to_string(f), {Kind::kInt32, {}}});
    }
    fields.push_back({"label", {Kind::kInt32, {}}});
    return *data::Schema::make(std::move(fields));
}

class NoBadRecords final : public operators::BadRecords {
  public:
    Status on_bad_record(const operators::RawRecord&, std::string_view code, std::string_view,
                         std::string_view) override {
        return fail(Code::kInternal, "a record is bad: {}", code);
    }
};

// Records one behind the other, as a fetch response has them.
struct Records {
    std::string bytes;
    std::vector<operators::RawRecord> raw;
};

Records make_records(std::size_t count, bool is_shuffled) {
    Events events;
    std::mt19937_64 random(7);
    Records records;
    std::vector<std::size_t> ends;
    for (std::size_t i = 0; i < count; ++i) {
        std::vector<std::string> fields = events.next();
        if (is_shuffled) std::shuffle(fields.begin(), fields.end(), random);
        char separator = '{';
        for (const std::string& field : fields) {
            records.bytes += separator + field;
            separator = ',';
        }
        records.bytes += '}';
        ends.push_back(records.bytes.size());
    }
    records.bytes.append(4096, ' ');
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
        records.raw.push_back({std::string_view(records.bytes).substr(begin, end - begin),
                               {},
                               {0, static_cast<std::int64_t>(records.raw.size()), 0}});
        begin = end;
    }
    return records;
}

using Decode = std::function<void(std::span<const operators::RawRecord>, data::BatchBuilder&)>;

// Decodes all records into batches; returns a sum over the columns, so that results compare.
std::int64_t run(const Records& records, data::BatchBuilder& builder, const Decode& decode) {
    std::int64_t sum = 0;
    for (std::size_t at = 0; at < records.raw.size(); at += kRecordsPerCall) {
        MILLRACE_CHECK(builder.begin().has_value());
        const std::size_t count = std::min(kRecordsPerCall, records.raw.size() - at);
        decode(std::span(records.raw).subspan(at, count), builder);
        const data::BatchPtr batch = builder.finish();
        MILLRACE_CHECK_EQ(batch->rows(), count);
        for (std::size_t column = 2; column < 23; ++column) {
            sum += batch->column(column).as<std::int32_t>()[at % count];
        }
        sum += batch->column(0).offsets[count];
    }
    return sum;
}

struct Timing {
    const char* name;
    Decode decode;
    std::vector<double> ns;

    [[nodiscard]] double median() const {
        std::vector<double> sorted = ns;
        std::ranges::sort(sorted);
        return sorted[sorted.size() / 2];
    }
};

void compare(const char* what, const Records& records, test::SlotWorld& world) {
    const data::SchemaPtr schema = event_schema();
    const auto decoder = *operators::JsonDecoder::make(schema, {});
    NoBadRecords none;
    std::vector<Timing> timings = {
        {"JsonDecoder",
         [&](std::span<const operators::RawRecord> raw, data::BatchBuilder& builder) {
             const auto used = decoder->decode(raw, builder, none);
             MILLRACE_CHECK(used.has_value() && *used == raw.size());
         },
         {}},
        {"simdjson On-Demand", baseline::decode_with_simdjson, {}}};
    if (__builtin_cpu_supports("avx2")) {
        timings.push_back({"simdjson On-Demand, x86-64-v3", v3::decode_with_simdjson, {}});
    }
    data::BatchBuilder builder(schema, world.batches());
    std::int64_t expected = 0;
    for (std::size_t round = 0; round <= kRounds; ++round) {  // The first warms up.
        for (Timing& timing : timings) {
            const double begin = thread_seconds();
            const std::int64_t sum = run(records, builder, timing.decode);
            const double seconds = thread_seconds() - begin;
            if (expected == 0) expected = sum;
            MILLRACE_CHECK_EQ(sum, expected);
            if (round > 0) {
                timing.ns.push_back(seconds * 1e9 / static_cast<double>(records.raw.size()));
            }
        }
    }
    for (const Timing& timing : timings) {
        const auto [low, high] = std::ranges::minmax(timing.ns);
        std::printf(
            "%-16s %-30s median %6.1f ns/event (%.1f to %.1f), JsonDecoder is %.2f x as "
            "fast\n",
            what, timing.name, timing.median(), low, high, timing.median() / timings[0].median());
    }
    const auto counts = decoder->counts();
    std::printf("%-16s predicted %llu, general %llu, learned %llu\n", what,
                static_cast<unsigned long long>(counts.predicted),
                static_cast<unsigned long long>(counts.general),
                static_cast<unsigned long long>(counts.learned));
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
    const std::size_t events = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : std::size_t{200'000};
    millrace::test::SlotWorld world;
    millrace::bench::compare("one shape", millrace::bench::make_records(events, false), world);
    millrace::bench::compare("shuffled fields", millrace::bench::make_records(events, true), world);
    return 0;
}
