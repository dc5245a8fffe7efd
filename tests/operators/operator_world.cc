#include "operator_world.h"

#include <cstring>

namespace millrace::operators::test {
namespace {

// The connectors never look at it.
JobResources& no_resources() {
    alignas(std::max_align_t) static std::byte place[1];
    return *reinterpret_cast<JobResources*>(place);
}

}  // namespace

std::vector<std::string> CollectingOutput::rows() const {
    std::vector<std::string> result;
    for (const data::BatchPtr& batch : batches) {
        for (std::size_t row = 0; row < batch->rows(); ++row) {
            const data::Position at = batch->positions().at(row);
            result.push_back(
                fmt::format("{}:{}:{}", at.split, at.ordinal, batch->column(0).text_at(row)));
        }
    }
    return result;
}

OperatorWorld::OperatorWorld(const Clock& clock_in, std::size_t slot_bytes)
    : clock(clock_in), memory(slot_bytes) {
    context_.reset(new OperatorContext{.job = "ctr",
                                       .step = "step",
                                       .clock = clock,
                                       .waker = bell,
                                       .batches = memory.batches(),
                                       .slot = memory.slot(),
                                       .owner = memory.owner(),
                                       .metrics = metrics,
                                       .resources = no_resources()});
}

void eventually(Bell& bell, const std::function<bool()>& step) {
    const SystemClock clock;
    const TimePoint deadline = clock.now() + std::chrono::seconds(20);
    while (!step()) {
        REQUIRE(clock.now() < deadline);
        bell.wait(std::chrono::milliseconds(2));
    }
}

data::SchemaPtr text_schema(const std::vector<std::string>& names) {
    std::vector<data::Field> fields;
    for (const std::string& name : names) fields.push_back({name, {data::Kind::kString, {}}});
    return *data::Schema::make(std::move(fields));
}

data::BatchPtr text_batch(OperatorWorld& world, const data::SchemaPtr& schema,
                          const std::vector<std::vector<std::string>>& rows, std::int64_t first) {
    data::BatchBuilder builder(schema, world.memory.batches());
    REQUIRE(builder.begin());
    for (std::size_t row = 0; row < rows.size(); ++row) {
        for (std::size_t column = 0; column < rows[row].size(); ++column) {
            if (rows[row][column] == "null") continue;
            REQUIRE(builder.set_text(column, rows[row][column]));
        }
        builder.end_row({.split = 7, .ordinal = first + static_cast<std::int64_t>(row)});
    }
    return builder.finish();
}

Result<std::size_t> LineDecoder::decode(std::span<const RawRecord> records,
                                        data::BatchBuilder& into, BadRecords& bad) {
    std::size_t taken = 0;
    while (taken < records.size() && !into.is_full()) {
        const RawRecord& record = records[taken++];
        if (record.payload.starts_with("bad")) {
            MILLRACE_TRY(bad.on_bad_record(record, "bad_line", "it says so", ""));
            continue;
        }
        MILLRACE_TRY(into.set_text(0, record.payload));
        into.end_row(record.position);
    }
    return taken;
}

std::size_t BarEncoder::encode(const data::Batch& batch, std::size_t first_row,
                               std::span<char> room, std::span<std::uint32_t> ends) {
    std::size_t used = 0;
    std::size_t rows = 0;
    for (; rows < ends.size() && first_row + rows < batch.rows(); ++rows) {
        std::string text;
        for (std::size_t column = 0; column < batch.columns().size(); ++column) {
            if (batch.schema()->fields()[column].type.kind != data::Kind::kString) continue;
            if (column > 0) text += '|';
            text += batch.column(column).text_at(first_row + rows);
        }
        if (used + text.size() > room.size()) break;
        std::memcpy(room.data() + used, text.data(), text.size());
        used += text.size();
        ends[rows] = static_cast<std::uint32_t>(used);
    }
    return rows;
}

}  // namespace millrace::operators::test
