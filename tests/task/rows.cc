#include "tests/task/rows.h"

#include <fmt/core.h>

#include "runtime/base/check.h"

namespace millrace::test {

const data::SchemaPtr& row_schema() {
    static const data::SchemaPtr schema = [] {
        auto made = data::Schema::make(
            {{"key", {data::Kind::kInt64, {}}}, {"text", {data::Kind::kString, {}}}});
        MILLRACE_CHECK(made.has_value());
        return *std::move(made);
    }();
    return schema;
}

std::int64_t key_of(std::int32_t split, std::int64_t ordinal) {
    return (ordinal * 7919 + split * 104729) % 1009;
}

data::BatchPtr make_rows(data::BatchMemory& memory, std::int32_t split, std::int64_t first,
                         std::int64_t count) {
    data::BatchBuilder builder(row_schema(), memory);
    MILLRACE_CHECK(builder.begin().has_value());
    for (std::int64_t ordinal = first; ordinal < first + count; ++ordinal) {
        builder.set_int64(0, key_of(split, ordinal));
        MILLRACE_CHECK(builder.set_text(1, fmt::format("row {}", ordinal)).has_value());
        builder.end_row({.split = split, .ordinal = ordinal, .timestamp_ms = ordinal});
    }
    return builder.finish();
}

std::vector<data::Position> positions_of(const data::Batch& batch) {
    std::vector<data::Position> positions;
    for (std::size_t row = 0; row < batch.rows(); ++row) {
        positions.push_back(batch.positions().at(row));
    }
    return positions;
}

std::vector<std::int64_t> ordinals_of(const data::Batch& batch) {
    return {batch.positions().ordinal, batch.positions().ordinal + batch.rows()};
}

}  // namespace millrace::test
