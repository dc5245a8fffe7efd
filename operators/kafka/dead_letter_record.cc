#include "operators/kafka/dead_letter_record.h"

#include <algorithm>
#include <string>

#include "operators/error_stream.h"

namespace millrace::operators {
namespace {

std::optional<std::string_view> text(const data::Batch& batch, std::size_t row,
                                     ErrorColumn column) {
    const data::Column& values = batch.column(static_cast<std::size_t>(column));
    if (values.is_null(row)) return std::nullopt;
    return values.text_at(row);
}

void add(rd_kafka_headers_t& headers, const char* name, std::string_view value) {
    rd_kafka_header_add(&headers, name, -1, value.data(), static_cast<ssize_t>(value.size()));
}

// The record's own headers, in their order.
void add_original(rd_kafka_headers_t& headers, const data::Batch& batch, std::size_t row) {
    const auto column = [&](ErrorColumn which) -> const data::Column& {
        return batch.column(static_cast<std::size_t>(which));
    };
    const data::Column& names = column(ErrorColumn::kHeaderNames);
    if (names.is_null(row)) return;
    const data::Column& values = column(ErrorColumn::kHeaderValues);
    const data::Column& nulls = column(ErrorColumn::kHeaderNulls);
    const auto begin = [row](const data::Column& list) {
        return static_cast<std::size_t>(list.offsets[row]);
    };
    const auto is_null = [&](std::size_t index) {
        const std::int32_t* const first = nulls.as<std::int32_t>() + nulls.offsets[row];
        const std::int32_t* const end = nulls.as<std::int32_t>() + nulls.offsets[row + 1];
        return std::find(first, end, static_cast<std::int32_t>(index)) != end;
    };
    const std::size_t count = static_cast<std::size_t>(names.offsets[row + 1]) - begin(names);
    for (std::size_t i = 0; i < count; ++i) {
        const std::string_view name = names.text_element_at(begin(names) + i);
        const std::string_view value = values.text_element_at(begin(values) + i);
        rd_kafka_header_add(&headers, name.data(), static_cast<ssize_t>(name.size()),
                            is_null(i) ? nullptr : value.data(),
                            static_cast<ssize_t>(value.size()));
    }
}

// "clicks/3" is partition 3 of the topic clicks; anything else is a path.
std::pair<std::string_view, std::string_view> topic_and_partition(std::string_view split) {
    const std::size_t slash = split.rfind('/');
    if (slash == std::string_view::npos) return {split, {}};
    const std::string_view number = split.substr(slash + 1);
    const bool digits = !number.empty() && std::all_of(number.begin(), number.end(),
                                                       [](char c) { return c >= '0' && c <= '9'; });
    if (!digits) return {split, {}};
    return {split.substr(0, slash), number};
}

}  // namespace

std::optional<std::string_view> dead_letter_payload(const data::Batch& batch, std::size_t row) {
    return text(batch, row, ErrorColumn::kPayload);
}

std::optional<std::string_view> dead_letter_key(const data::Batch& batch, std::size_t row) {
    return text(batch, row, ErrorColumn::kKey);
}

KafkaHeaders dead_letter_headers(const data::Batch& batch, std::size_t row, std::string_view job,
                                 std::int64_t now_ms, DeadLetterParts parts) {
    constexpr std::size_t kHeaders = 9;
    KafkaHeaders headers(rd_kafka_headers_new(kHeaders));
    // First, so that ours are the last of their name when a dead letter becomes one again.
    if (parts == DeadLetterParts::kAll) add_original(*headers, batch, row);
    const auto value = [&](ErrorColumn column) {
        return text(batch, row, column).value_or(std::string_view());
    };
    const auto [topic, partition] = topic_and_partition(value(ErrorColumn::kSplit));
    add(*headers, "millrace.job", job);
    add(*headers, "millrace.step", value(ErrorColumn::kStep));
    add(*headers, "millrace.error.code", value(ErrorColumn::kCode));
    add(*headers, "millrace.error.message", value(ErrorColumn::kMessage));
    if (const auto field = value(ErrorColumn::kField); !field.empty())
        add(*headers, "millrace.error.field", field);
    add(*headers, "millrace.error.source_topic", topic);
    if (!partition.empty()) add(*headers, "millrace.error.source_partition", partition);
    add(*headers, "millrace.error.source_offset", std::to_string(batch.positions().ordinal[row]));
    add(*headers, "millrace.error.time", std::to_string(now_ms));
    return headers;
}

}  // namespace millrace::operators
