#include "runtime/data/type.h"

#include <string_view>

namespace millrace::data {
namespace {

std::string_view name_of(Kind kind) {
    switch (kind) {
        case Kind::kBool:
            return "bool";
        case Kind::kInt32:
            return "int32";
        case Kind::kInt64:
            return "int64";
        case Kind::kFloat32:
            return "float32";
        case Kind::kFloat64:
            return "float64";
        case Kind::kString:
            return "string";
        case Kind::kBytes:
            return "bytes";
        case Kind::kTimestampMs:
            return "timestamp_ms";
        case Kind::kList:
            return "list";
        case Kind::kFeatures:
            return "features";
    }
    return "unknown";
}

}  // namespace

std::size_t fixed_width(Kind kind) {
    switch (kind) {
        case Kind::kInt32:
        case Kind::kFloat32:
            return 4;
        case Kind::kInt64:
        case Kind::kFloat64:
        case Kind::kTimestampMs:
            return 8;
        default:
            return 0;
    }
}

bool has_offsets(Kind kind) {
    return kind == Kind::kString || kind == Kind::kBytes || kind == Kind::kList ||
           kind == Kind::kFeatures;
}

bool is_text(Kind kind) { return kind == Kind::kString || kind == Kind::kBytes; }

std::string to_string(Type type) {
    if (type.kind != Kind::kList) {
        return std::string(name_of(type.kind));
    }
    return "list<" + std::string(name_of(type.element)) + ">";
}

}  // namespace millrace::data
