#include "operators/format/json_shape.h"

#include <algorithm>
#include <cstring>

#include <simdjson.h>

#include "operators/format/column_writer.h"
#include "operators/format/json_number.h"
#include "operators/format/plain_number.h"
#include "operators/format/plain_text.h"

namespace millrace::operators {
namespace {

using data::Kind;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Walks over a record; never beyond its end.
class Walk {
  public:
    explicit Walk(std::string_view record) : record_(record) {}

    [[nodiscard]] std::size_t at() const { return at_; }
    [[nodiscard]] bool is_at(char c) const { return at_ < record_.size() && record_[at_] == c; }
    void skip() { ++at_; }
    void skip_space() {
        while (at_ < record_.size() && is_space(record_[at_])) ++at_;
    }
    // Behind the string that begins here; false when it has an escape, or no end.
    bool skip_plain_string() {
        for (++at_; at_ < record_.size() && !is_at('"'); ++at_) {
            if (is_at('\\')) return false;
        }
        return at_++ < record_.size();
    }
    bool skip_string() {
        for (++at_; at_ < record_.size() && !is_at('"'); ++at_) {
            if (is_at('\\')) ++at_;
        }
        return at_++ < record_.size();
    }
    // Behind the scalar of a list that begins here; false when it is a string with an escape.
    bool skip_element() {
        if (is_at('"')) return skip_plain_string();
        while (at_ < record_.size() && !is_at(',') && !is_at(']') && !is_space(record_[at_])) ++at_;
        return true;
    }
    // Behind the value that begins here; false when it is an object or holds a list or object.
    bool skip_flat_value() {
        if (is_at('{')) return false;
        if (is_at('"')) return skip_string();
        if (is_at('[')) return skip_flat_list();
        while (at_ < record_.size() && !is_at(',') && !is_at('}') && !is_space(record_[at_])) ++at_;
        return true;
    }

  private:
    bool skip_flat_list() {
        for (++at_; at_ < record_.size() && !is_at(']');) {
            if (is_at('[') || is_at('{')) return false;
            if (is_at('"')) {
                if (!skip_string()) return false;
            } else {
                ++at_;
            }
        }
        return at_++ < record_.size();
    }

    const std::string_view record_;
    std::size_t at_ = 0;
};

}  // namespace

std::optional<JsonShape> JsonShape::learn(std::string_view record, const data::Schema& schema,
                                          const FieldIndex& index, const CompiledRules& rules) {
    JsonShape shape;
    if (!shape.learn_fields(record, schema, index) || !shape.has_all(rules.never_null())) {
        return std::nullopt;
    }
    shape.nulls_.reserve(shape.columns_.size());
    // Keys are loaded by words.
    shape.keys_.resize(shape.keys_.size() + sizeof(std::uint64_t));
    for (Field& field : shape.fields_) {
        const std::size_t bytes = std::min<std::size_t>(8, field.key_bytes);
        field.key_mask = ~0ULL >> (64 - 8 * bytes);
        field.key_word = load_word(shape.keys_.data() + field.key_at) & field.key_mask;
    }
    return shape;
}

bool JsonShape::learn_fields(std::string_view record, const data::Schema& schema,
                             const FieldIndex& index) {
    Walk walk(record);
    if (!walk.is_at('{')) {
        return false;
    }
    do {
        const std::size_t begin = walk.at();  // The brace or the comma.
        walk.skip();
        walk.skip_space();
        const std::size_t name = walk.at() + 1;
        if (fields_.size() == kFieldsMax || !walk.is_at('"') || !walk.skip_plain_string()) {
            return false;
        }
        const std::uint32_t column = index.find(record.substr(name, walk.at() - 1 - name));
        walk.skip_space();
        walk.skip();
        walk.skip_space();
        Field field;
        field.key_at = static_cast<std::uint32_t>(keys_.size());
        field.key_bytes = static_cast<std::uint32_t>(walk.at() - begin);
        keys_.append(record.substr(begin, field.key_bytes));
        if (column != FieldIndex::kUnknown) {
            field.column = column;
            field.type = schema.fields()[column].type;
            columns_.push_back(column);
            switch (field.type.kind) {
                case Kind::kInt32:
                    field.read = Read::kInt32;
                    break;
                case Kind::kInt64:
                case Kind::kTimestampMs:
                    field.read = Read::kInt64;
                    break;
                case Kind::kFloat32:
                    field.read = Read::kFloat32;
                    break;
                case Kind::kFloat64:
                    field.read = Read::kFloat64;
                    break;
                case Kind::kString:
                    field.read = Read::kText;
                    break;
                default:
                    field.read = Read::kOther;
            }
        }
        fields_.push_back(field);
        if (!walk.skip_flat_value()) {
            return false;
        }
    } while (walk.is_at(','));
    suffix_ = record.substr(walk.at());
    return !suffix_.empty();
}

bool JsonShape::has_all(const std::vector<std::size_t>& columns) const {
    return std::ranges::all_of(columns, [&](std::size_t column) {
        return std::ranges::find(columns_, column) != columns_.end();
    });
}

inline bool JsonShape::key_matches(const Field& field, const char* at) const {
    if (((load_word(at) ^ field.key_word) & field.key_mask) != 0) {
        return false;
    }
    if (field.key_bytes <= 8) {
        return true;
    }
    const char* const key = keys_.data() + field.key_at;
    if (field.key_bytes <= 16) {
        const std::size_t last = field.key_bytes - 8;
        return load_word(at + last) == load_word(key + last);
    }
    return std::memcmp(at, key, field.key_bytes) == 0;
}

bool JsonShape::may_match(std::string_view record) const {
    return record.size() > fields_.front().key_bytes + suffix_.size() &&
           key_matches(fields_.front(), record.data());
}

inline bool JsonShape::read_value(const Field& field, const char* begin, std::size_t bytes,
                                  data::BatchBuilder& builder) {
    switch (field.read) {
        case Read::kInt32:
            if (write_up_to_8_digits<std::int32_t>(builder, field.column, begin, bytes))
                [[likely]] {
                return true;
            }
            break;
        case Read::kInt64:
            if (write_up_to_8_digits<std::int64_t>(builder, field.column, begin, bytes) ||
                write_up_to_16_digits(builder, field.column, begin, bytes)) [[likely]] {
                return true;
            }
            break;
        case Read::kText:
            if (bytes >= 2 && begin[0] == '"' && begin[bytes - 1] == '"') [[likely]] {
                char* const room = builder.text_room(field.column, bytes - 2);
                if (room == nullptr) {
                    return false;
                }
                const TextContent content = copy_plain_text(begin + 1, bytes - 2, room);
                if (content == TextContent::kAscii ||
                    (content == TextContent::kNotAscii &&
                     simdjson::validate_utf8(begin + 1, bytes - 2))) [[likely]] {
                    builder.take_text(field.column, bytes - 2);
                    return true;
                }
            }
            break;
        default:
            break;
    }
    return read_slowly(field, {begin, bytes}, builder);
}

JsonShape::Match JsonShape::match(std::string_view record, std::uint32_t* separators,
                                  data::BatchBuilder& builder, const CompiledRules& rules) {
    const char* const begin = record.data();
    const std::size_t end = record.size() - suffix_.size();
    if (std::memcmp(begin + end, suffix_.data(), suffix_.size()) != 0) {
        return Match::kNo;
    }
    nulls_.clear();
    separators[fields_.size()] = static_cast<std::uint32_t>(end);
    for (std::size_t i = 0; i < fields_.size(); ++i) {
        const Field& field = fields_[i];
        const std::size_t value = std::size_t{separators[i]} + field.key_bytes;
        // A key that reaches into the next field cannot match, as it has no comma.
        if (value >= separators[i + 1] || !key_matches(field, begin + separators[i]) ||
            !read_value(field, begin + value, separators[i + 1] - value, builder)) {
            return Match::kNo;
        }
    }
    if (nulls_.empty()) {
        return rules.labels_are_sound(builder) ? Match::kAll : Match::kNo;
    }
    // Whether a null is allowed is for the general parser to say.
    const bool may_be_null = std::ranges::none_of(rules.never_null(), [&](std::size_t column) {
        return std::ranges::find(nulls_, column) != nulls_.end();
    });
    return may_be_null && rules.labels_are_sound(builder) ? Match::kSomeNulls : Match::kNo;
}

bool JsonShape::read_slowly(const Field& field, std::string_view token,
                            data::BatchBuilder& builder) {
    const std::size_t row = builder.rows();
    const char* const end = token.data() + token.size();
    if (token == "null") {
        if (field.read != Read::kForget) nulls_.push_back(field.column);
        return true;
    }
    switch (field.read) {
        case Read::kInt32:
            return parse_int32(token.data(), end,
                               builder.fixed_values<std::int32_t>(field.column)[row]) ==
                   Number::kFits;
        case Read::kInt64:
            return parse_int64(token.data(), end,
                               builder.fixed_values<std::int64_t>(field.column)[row]) ==
                   Number::kFits;
        case Read::kFloat32:
            return parse_float32(token.data(), end,
                                 builder.fixed_values<float>(field.column)[row]) == Number::kFits;
        case Read::kFloat64:
            return parse_float64(token.data(), end,
                                 builder.fixed_values<double>(field.column)[row]) == Number::kFits;
        case Read::kText:
            return false;
        case Read::kOther:
        case Read::kForget:
            break;
    }
    if (token.front() == '[') {
        return read_list(field, token, builder);
    }
    return field.type.kind != Kind::kList && read_scalar(field, token, builder);
}

bool JsonShape::read_scalar(const Field& field, std::string_view token,
                            data::BatchBuilder& builder) {
    const bool is_forgotten = field.read == Read::kForget;
    if (token.size() >= 2 && token.front() == '"' && token.back() == '"') {
        const std::string_view text = token.substr(1, token.size() - 2);
        const TextContent content = scan_bytes(text.data(), text.size());
        if (content == TextContent::kSpecial ||
            (content == TextContent::kNotAscii && !simdjson::validate_utf8(text))) {
            return false;
        }
        if (is_forgotten) {
            return true;
        }
        const Written written = write_text(builder, field.column, field.type, text, scratch_);
        return written && !*written;
    }
    if (is_forgotten) {
        return is_scalar(token);
    }
    const Written written = write_scalar(builder, field.column, field.type, token);
    return written && !*written;
}

bool JsonShape::read_list(const Field& field, std::string_view token, data::BatchBuilder& builder) {
    const bool is_forgotten = field.read == Read::kForget;
    if (!is_forgotten) {
        if (field.type.kind != Kind::kList) {
            return false;
        }
        builder.begin_list(field.column);
    }
    Walk walk(token);
    walk.skip();
    walk.skip_space();
    if (walk.is_at(']')) {
        return walk.at() + 1 == token.size();
    }
    while (true) {
        const std::size_t begin = walk.at();
        if (!walk.skip_element()) {
            return false;
        }
        if (!read_scalar(field, token.substr(begin, walk.at() - begin), builder)) {
            return false;
        }
        walk.skip_space();
        if (!walk.is_at(',')) {
            return walk.is_at(']') && walk.at() + 1 == token.size();
        }
        walk.skip();
        walk.skip_space();
    }
}

}  // namespace millrace::operators
