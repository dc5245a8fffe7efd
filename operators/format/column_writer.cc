#include "operators/format/column_writer.h"

#include <cstdint>
#include <string>

#include "operators/format/base64.h"
#include "operators/format/json_number.h"

namespace millrace::operators {
namespace {

using data::Kind;

std::optional<DecodeError> wrong_type() {
    return DecodeError{"wrong_type", "The value is not of the column's type.", {}};
}

bool starts_number(std::string_view token) {
    return !token.empty() && (token[0] == '-' || (token[0] >= '0' && token[0] <= '9'));
}

std::optional<DecodeError> error_of(Number number) {
    switch (number) {
        case Number::kFits:
            return std::nullopt;
        case Number::kMalformed:
            return DecodeError{"bad_json", "A number is malformed.", {}};
        case Number::kNotInteger:
            return DecodeError{"wrong_type", "The value is not an integer.", {}};
        case Number::kOutOfRange:
            return DecodeError{"out_of_range", "The number is out of the column's range.", {}};
    }
    return wrong_type();
}

// Lists take elements, other columns their one value.
Status put(data::BatchBuilder& builder, std::size_t column, bool is_list, std::int64_t value,
           Kind kind) {
    if (is_list) {
        return builder.append_element(column, value);
    }
    switch (kind) {
        case Kind::kBool:
            builder.set_bool(column, value != 0);
            break;
        case Kind::kInt32:
            builder.set_int32(column, static_cast<std::int32_t>(value));
            break;
        default:
            builder.set_int64(column, value);
    }
    return {};
}

Written write_integer(data::BatchBuilder& builder, std::size_t column, bool is_list, Kind kind,
                      std::string_view token) {
    std::int64_t value = 0;
    std::int32_t narrow = 0;
    const char* const end = token.data() + token.size();
    const Number number = kind == Kind::kInt32 ? parse_int32(token.data(), end, narrow)
                                               : parse_int64(token.data(), end, value);
    if (number != Number::kFits) {
        return error_of(number);
    }
    MILLRACE_TRY(put(builder, column, is_list, kind == Kind::kInt32 ? narrow : value, kind));
    return std::nullopt;
}

Written write_real(data::BatchBuilder& builder, std::size_t column, bool is_list, Kind kind,
                   std::string_view token) {
    double value = 0;
    float narrow = 0;
    const char* const end = token.data() + token.size();
    const Number number = kind == Kind::kFloat32 ? parse_float32(token.data(), end, narrow)
                                                 : parse_float64(token.data(), end, value);
    if (number != Number::kFits) {
        return error_of(number);
    }
    if (is_list) {
        MILLRACE_TRY(
            builder.append_element(column, kind == Kind::kFloat32 ? double{narrow} : value));
    } else if (kind == Kind::kFloat32) {
        builder.set_float32(column, narrow);
    } else {
        builder.set_float64(column, value);
    }
    return std::nullopt;
}

Written put_text(data::BatchBuilder& builder, std::size_t column, bool is_list,
                 std::string_view text) {
    MILLRACE_TRY(is_list ? builder.append_element(column, text) : builder.set_text(column, text));
    return std::nullopt;
}

}  // namespace

std::string_view trim_right(std::string_view token) {
    while (!token.empty() && (token.back() == ' ' || token.back() == '\n' || token.back() == '\r' ||
                              token.back() == '\t')) {
        token.remove_suffix(1);
    }
    return token;
}

bool is_scalar(std::string_view token) {
    if (token == "true" || token == "false" || token == "null") {
        return true;
    }
    // Any number of the grammar will do, also one that no type can hold.
    double value = 0;
    return parse_float64(token.data(), token.data() + token.size(), value) != Number::kMalformed;
}

Written write_scalar(data::BatchBuilder& builder, std::size_t column, data::Type type,
                     std::string_view token) {
    const bool is_list = type.kind == Kind::kList;
    const Kind kind = is_list ? type.element : type.kind;
    if (!starts_number(token)) {
        if (token != "true" && token != "false") {
            return DecodeError{"bad_json", "A value is malformed.", {}};
        }
        if (kind != Kind::kBool) {
            return wrong_type();
        }
        MILLRACE_TRY(put(builder, column, is_list, token == "true" ? 1 : 0, kind));
        return std::nullopt;
    }
    switch (kind) {
        case Kind::kInt32:
        case Kind::kInt64:
        case Kind::kTimestampMs:
            return write_integer(builder, column, is_list, kind, token);
        case Kind::kFloat32:
        case Kind::kFloat64:
            return write_real(builder, column, is_list, kind, token);
        default:
            return is_scalar(token) ? wrong_type() : error_of(Number::kMalformed);
    }
}

Written write_text(data::BatchBuilder& builder, std::size_t column, data::Type type,
                   std::string_view text, std::string& scratch) {
    const bool is_list = type.kind == Kind::kList;
    switch (is_list ? type.element : type.kind) {
        case Kind::kString:
            return put_text(builder, column, is_list, text);
        case Kind::kBytes:
            if (!decode_base64(text, scratch)) {
                return DecodeError{"wrong_type", "The text is not base64.", {}};
            }
            return put_text(builder, column, is_list, scratch);
        default:
            return wrong_type();
    }
}

}  // namespace millrace::operators
