#include "operators/expression/value_kind.h"

namespace millrace::operators {

ValueKind kind_of(data::Kind kind) {
    switch (kind) {
        case data::Kind::kBool:
            return ValueKind::kBool;
        case data::Kind::kInt32:
        case data::Kind::kInt64:
            return ValueKind::kInteger;
        case data::Kind::kFloat32:
        case data::Kind::kFloat64:
            return ValueKind::kFloat;
        case data::Kind::kTimestampMs:
            return ValueKind::kTimestamp;
        case data::Kind::kString:
            return ValueKind::kText;
        case data::Kind::kBytes:
            return ValueKind::kBytes;
        case data::Kind::kList:
        case data::Kind::kFeatures:
            return ValueKind::kList;
    }
    return ValueKind::kUnknown;
}

data::Type type_of(ValueKind kind) {
    switch (kind) {
        case ValueKind::kInteger:
            return {data::Kind::kInt64};
        case ValueKind::kFloat:
            return {data::Kind::kFloat64};
        case ValueKind::kTimestamp:
            return {data::Kind::kTimestampMs};
        case ValueKind::kText:
            return {data::Kind::kString};
        case ValueKind::kBytes:
            return {data::Kind::kBytes};
        default:
            return {data::Kind::kBool};
    }
}

std::string_view described(ValueKind kind) {
    switch (kind) {
        case ValueKind::kNull:
            return "null";
        case ValueKind::kBool:
            return "a bool";
        case ValueKind::kInteger:
        case ValueKind::kFloat:
            return "a number";
        case ValueKind::kTimestamp:
            return "a timestamp";
        case ValueKind::kText:
            return "text";
        case ValueKind::kBytes:
            return "bytes";
        case ValueKind::kList:
            return "a list";
        case ValueKind::kUnknown:
            break;
    }
    return "a value";
}

std::optional<ValueKind> common_kind(ValueKind a, ValueKind b) {
    if (a == b) return a;
    if (a == ValueKind::kNull) return b;
    if (b == ValueKind::kNull) return a;
    if (is_number(a) && is_number(b)) return ValueKind::kFloat;
    const auto is_time = [](ValueKind x, ValueKind y) {
        return x == ValueKind::kTimestamp && y == ValueKind::kInteger;
    };
    if (is_time(a, b) || is_time(b, a)) return ValueKind::kTimestamp;
    return std::nullopt;
}

}  // namespace millrace::operators
