#include "operators/kafka/row_key.h"

#include <charconv>

namespace millrace::operators {

bool can_be_key(data::Type type) {
    return type.kind != data::Kind::kList && type.kind != data::Kind::kFeatures;
}

std::optional<std::string_view> RowKey::of(const data::Column& column, data::Type type,
                                           std::size_t row) {
    if (column.is_null(row)) return std::nullopt;
    const auto digits = [&](auto value) {
        const auto end = std::to_chars(digits_.data(), digits_.data() + digits_.size(), value);
        return std::string_view(digits_.data(), end.ptr);
    };
    switch (type.kind) {
        case data::Kind::kBool:
            return column.bool_at(row) ? "true" : "false";
        case data::Kind::kInt32:
            return digits(column.as<std::int32_t>()[row]);
        case data::Kind::kInt64:
        case data::Kind::kTimestampMs:
            return digits(column.as<std::int64_t>()[row]);
        case data::Kind::kFloat32:
            return digits(column.as<float>()[row]);
        case data::Kind::kFloat64:
            return digits(column.as<double>()[row]);
        default:
            return column.text_at(row);
    }
}

}  // namespace millrace::operators
