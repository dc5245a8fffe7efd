#include "operators/format/json_general.h"

#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <simdjson.h>

#include "operators/format/column_writer.h"
#include "operators/format/field_index.h"
#include "operators/format/json_decoder.h"
#include "operators/format/plain_number.h"

namespace millrace::operators {
namespace {

namespace ondemand = simdjson::ondemand;

// A value that no column wants is checked all the same. Returns the first error.
simdjson::error_code check_value(ondemand::value value, std::size_t depth);

simdjson::error_code check_object(ondemand::value value, std::size_t depth) {
    ondemand::object object;
    if (const auto error = value.get_object().get(object)) return error;
    for (auto field : object) {
        std::string_view key;
        ondemand::value inner;
        if (const auto error = field.unescaped_key().get(key)) return error;
        if (const auto error = field.value().get(inner)) return error;
        if (const auto error = check_value(inner, depth + 1)) return error;
    }
    return simdjson::SUCCESS;
}

simdjson::error_code check_array(ondemand::value value, std::size_t depth) {
    ondemand::array array;
    if (const auto error = value.get_array().get(array)) return error;
    for (auto element : array) {
        ondemand::value inner;
        if (const auto error = element.get(inner)) return error;
        if (const auto error = check_value(inner, depth + 1)) return error;
    }
    return simdjson::SUCCESS;
}

simdjson::error_code check_value(ondemand::value value, std::size_t depth) {
    if (depth > JsonDecoder::kDepthMax) {
        return simdjson::DEPTH_ERROR;
    }
    const std::string_view token = value.raw_json_token();
    switch (token[0]) {
        case '{':
            return check_object(value, depth);
        case '[':
            return check_array(value, depth);
        case '"':
            return value.get_string().error();
        default:
            return is_scalar(trim_right(token)) ? simdjson::SUCCESS : simdjson::TAPE_ERROR;
    }
}

DecodeError bad_json(simdjson::error_code error) {
    if (error == simdjson::UTF8_ERROR) {
        return {"bad_utf8", "The record is not UTF-8.", {}};
    }
    return {"bad_json", simdjson::error_message(error), {}};
}

// The text of a string, whose token this is. Stage 1 of the parser has seen that it is UTF-8
// without control characters, so that only escapes are left to look at.
simdjson::error_code read_string(ondemand::value value, std::string_view token,
                                 std::string_view& text) {
    if (std::memchr(token.data(), '\\', token.size()) != nullptr) {
        return value.get_string().get(text);
    }
    token = trim_right(token);
    text = token.substr(1, token.size() - 2);
    return simdjson::SUCCESS;
}

}  // namespace

class JsonGeneral::Parser {
  public:
    Parser(data::SchemaPtr schema, const CompiledRules& rules)
        : schema_(std::move(schema)), rules_(rules), index_(*schema_), columns_(schema_->size()) {
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            columns_[i].kind = schema_->fields()[i].type.kind;
        }
    }

    Result<bool> parse(std::string_view record, data::BatchBuilder& builder, DecodeError& error);
    [[nodiscard]] std::uint64_t shape_hash() const { return shape_hash_; }

  private:
    // What follows returns false when the record is bad (error_) or the slot has no room
    // (failure_).
    bool read_fields(ondemand::object& object, data::BatchBuilder& builder);
    // `column` as find_short_key() gave it.
    [[gnu::noinline]] bool read_field(ondemand::field& field, std::uint32_t column,
                                      data::BatchBuilder& builder);
    bool write_value(data::BatchBuilder& builder, std::uint32_t column, ondemand::value value,
                     std::string_view token);
    bool write_string(data::BatchBuilder& builder, std::uint32_t column, ondemand::value value,
                      std::string_view token);
    bool write_list(data::BatchBuilder& builder, std::uint32_t column, ondemand::value value);
    bool write_element(data::BatchBuilder& builder, std::uint32_t column, ondemand::value value);
    // The column of a key with escapes; kUnknown also when they are malformed, with error_.
    bool find_escaped(ondemand::field& field, std::uint32_t& column);

    bool refuse(const DecodeError& error) {
        error_ = error;
        return false;
    }
    bool refuse(simdjson::error_code error) { return refuse(bad_json(error)); }
    bool take(Written written) {
        if (!written) {
            failure_ = std::move(written).error();
            return false;
        }
        return !*written || refuse(**written);
    }
    void mix_shape(std::uint64_t column) {
        shape_hash_ = (shape_hash_ + column + 1) * 0x9e3779b97f4a7c15ULL;
        shape_hash_ ^= shape_hash_ >> 32;
    }

    const data::SchemaPtr schema_;
    const CompiledRules& rules_;
    const FieldIndex index_;
    ondemand::parser parser_;
    std::string scratch_;
    struct ColumnState {
        std::uint64_t seen_in = 0;  // The last record in which it stood.
        data::Kind kind{};
    };
    std::uint64_t record_ = 0;  // Counts records from 1.
    std::vector<ColumnState> columns_;
    std::uint64_t shape_hash_ = 0;
    DecodeError error_;
    std::optional<Error> failure_;
};

bool JsonGeneral::Parser::find_escaped(ondemand::field& field, std::uint32_t& column) {
    std::string_view name;
    if (const auto error = field.unescaped_key().get(name)) return refuse(error);
    // find() may read behind the name.
    scratch_.assign(name);
    scratch_.resize(name.size() + sizeof(std::uint64_t));
    column = index_.find({scratch_.data(), name.size()});
    return true;
}

bool JsonGeneral::Parser::write_string(data::BatchBuilder& builder, std::uint32_t column,
                                       ondemand::value value, std::string_view token) {
    std::string_view text;
    if (const auto error = read_string(value, token, text)) return refuse(error);
    return take(write_text(builder, column, schema_->fields()[column].type, text, scratch_));
}

bool JsonGeneral::Parser::write_element(data::BatchBuilder& builder, std::uint32_t column,
                                        ondemand::value value) {
    const std::string_view token = value.raw_json_token();
    if (token[0] == '"') {
        return write_string(builder, column, value, token);
    }
    if (token[0] == '{' || token[0] == '[' || trim_right(token) == "null") {
        if (const auto error = check_value(value, 2)) return refuse(error);
        return refuse({"wrong_type", "An element of a list is not of its type.", {}});
    }
    return take(write_scalar(builder, column, schema_->fields()[column].type, trim_right(token)));
}

bool JsonGeneral::Parser::write_list(data::BatchBuilder& builder, std::uint32_t column,
                                     ondemand::value value) {
    ondemand::array array;
    if (const auto error = value.get_array().get(array)) return refuse(error);
    builder.begin_list(column);
    for (auto element : array) {
        ondemand::value inner;
        if (const auto error = element.get(inner)) return refuse(error);
        if (!write_element(builder, column, inner)) return false;
    }
    return true;
}

bool JsonGeneral::Parser::write_value(data::BatchBuilder& builder, std::uint32_t column,
                                      ondemand::value value, std::string_view token) {
    const data::Type type = schema_->fields()[column].type;
    const bool is_list = type.kind == data::Kind::kList;
    const bool is_container = token[0] == '[' || token[0] == '{';
    if (is_list && token[0] == '[') {
        return write_list(builder, column, value);
    }
    if (is_container || is_list) {
        if (!is_container && trim_right(token) == "null") return true;
        if (const auto error = check_value(value, 1)) return refuse(error);
        return refuse({"wrong_type", "The value is not of the column's type.", {}});
    }
    if (token[0] == '"') {
        return write_string(builder, column, value, token);
    }
    token = trim_right(token);
    return token == "null" || take(write_scalar(builder, column, type, token));
}

bool JsonGeneral::Parser::read_field(ondemand::field& field, std::uint32_t column,
                                     data::BatchBuilder& builder) {
    if (column == FieldIndex::kUnknown) {
        const FieldIndex::Key key = index_.find_key(field.key().raw());
        column = key.column;
        if (key.has_escapes && !find_escaped(field, column)) {
            return false;
        }
    }
    ondemand::value value = field.value();
    mix_shape(column);
    if (column == FieldIndex::kUnknown) {
        const auto error = check_value(value, 1);
        return error == simdjson::SUCCESS || refuse(error);
    }
    const std::string_view name = schema_->fields()[column].name;
    if (columns_[column].seen_in == record_) {
        return refuse({"duplicate_field", "The field stands twice in the record.", name});
    }
    columns_[column].seen_in = record_;
    if (write_value(builder, column, value, value.raw_json_token())) {
        return true;
    }
    error_.field = name;
    return false;
}

bool JsonGeneral::Parser::read_fields(ondemand::object& object, data::BatchBuilder& builder) {
    for (auto field : object) {
        if (const auto error = field.error()) return refuse(error);
        ondemand::field& sound = field.value_unsafe();
        const std::uint32_t column = index_.find_short_key(sound.key().raw());
        // What most fields are: a short key, once, and a few digits.
        if (column != FieldIndex::kUnknown && columns_[column].seen_in != record_) [[likely]] {
            const std::string_view token = sound.value().raw_json_token();
            if (write_plain_number(builder, column, columns_[column].kind, token.data(),
                                   token.size())) [[likely]] {
                columns_[column].seen_in = record_;
                builder.mark_present(column);
                mix_shape(column);
                continue;
            }
        }
        if (!read_field(sound, column, builder)) return false;
    }
    return true;
}

Result<bool> JsonGeneral::Parser::parse(std::string_view record, data::BatchBuilder& builder,
                                        DecodeError& error) {
    ++record_;
    shape_hash_ = 1;  // Never 0, which stands for none.
    failure_.reset();
    ondemand::document document;
    ondemand::object object;
    auto failed =
        parser_.iterate(record.data(), record.size(), record.size() + kPadding).get(document);
    if (failed == simdjson::SUCCESS) {
        failed = document.get_object().get(object);
    }
    bool is_good = true;
    if (failed == simdjson::INCORRECT_TYPE) {
        is_good = refuse({"bad_json", "The record is not an object.", {}});
    } else if (failed != simdjson::SUCCESS) {
        is_good = refuse(failed);
    } else if (!read_fields(object, builder)) {
        is_good = false;
    } else if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) {
        is_good = refuse({"bad_json", "The record goes on behind its object.", {}});
    } else if (const auto broken = rules_.check(builder)) {
        is_good = refuse(*broken);
    }
    if (failure_) {
        return std::unexpected(*std::move(failure_));
    }
    if (!is_good) {
        error = error_;
    }
    return is_good;
}

JsonGeneral::JsonGeneral(data::SchemaPtr schema, const CompiledRules& rules)
    : parser_(std::make_unique<Parser>(std::move(schema), rules)) {}

JsonGeneral::~JsonGeneral() = default;

Result<bool> JsonGeneral::parse(std::string_view record, data::BatchBuilder& builder,
                                DecodeError& error) {
    return parser_->parse(record, builder, error);
}

std::uint64_t JsonGeneral::shape_hash() const { return parser_->shape_hash(); }

}  // namespace millrace::operators
