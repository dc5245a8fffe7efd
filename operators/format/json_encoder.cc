#include "operators/format/json_encoder.h"

#include <algorithm>
<<<<<<< HEAD
#include <charconv>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "operators/format/base64.h"
=======
#include <memory>
#include <string>
#include <utility>

#include "operators/format/json_writer.h"
>>>>>>> ffb4b8e (operators: CSV in, JSON and raw bytes out)

namespace millrace::operators {
namespace {

<<<<<<< HEAD
// The most characters that a number, bool or null takes; a shortest double has 24.
constexpr std::size_t kScalarCharsMax = 32;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Writes characters as long as there is room; a row that did not fit is given up as a whole.
class Cursor {
  public:
    Cursor(char* begin, char* end) : at_(begin), end_(end) {}

    [[nodiscard]] bool has_room(std::size_t bytes) {
        fits_ = fits_ && static_cast<std::size_t>(end_ - at_) >= bytes;
        return fits_;
    }
    void put(std::string_view text) {
        if (!has_room(text.size())) return;
        std::memcpy(at_, text.data(), text.size());
        at_ += text.size();
    }
    void put(char c) {
        if (has_room(1)) *at_++ = c;
    }
    template <class T>
    void put_number(T value) {
        if (has_room(kScalarCharsMax)) at_ = std::to_chars(at_, end_, value).ptr;
    }
    void put_base64(std::string_view bytes) {
        if (!has_room(base64_bytes(bytes.size()) + 2)) return;
        *at_++ = '"';
        encode_base64(bytes, at_);
        at_ += base64_bytes(bytes.size());
        *at_++ = '"';
    }
    [[nodiscard]] bool fits() const { return fits_; }
    [[nodiscard]] char* at() const { return at_; }

  private:
    char* at_;
    char* const end_;
    bool fits_ = true;
};

// Bytes of the UTF-8 sequence at the start of `text`; 0 when there is none.
std::size_t sequence_bytes(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto follows = [&](std::size_t i) { return i < text.size() && (at(i) & 0xC0) == 0x80; };
    const unsigned char first = at(0);
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
    if (first >= 0xE0 && first <= 0xEF) {
        const bool bad = !follows(1) || !follows(2) || (first == 0xE0 && at(1) < 0xA0) ||
                         (first == 0xED && at(1) >= 0xA0);
        return bad ? 0 : 3;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        const bool bad = !follows(1) || !follows(2) || !follows(3) ||
                         (first == 0xF0 && at(1) < 0x90) || (first == 0xF4 && at(1) >= 0x90);
        return bad ? 0 : 4;
    }
    return 0;
}

void put_escaped(Cursor& out, char c) {
    static constexpr char kDigits[] = "0123456789abcdef";
    switch (c) {
        case '"':
            out.put("\\\"");
            break;
        case '\\':
            out.put("\\\\");
            break;
        case '\n':
            out.put("\\n");
            break;
        case '\r':
            out.put("\\r");
            break;
        case '\t':
            out.put("\\t");
            break;
        default:
            out.put("\\u00");
            out.put(kDigits[static_cast<unsigned char>(c) >> 4]);
            out.put(kDigits[static_cast<unsigned char>(c) & 15]);
    }
}

bool is_plain(char c) {
    return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x80 &&
           c != '"' && c != '\\';
}

void put_text(Cursor& out, std::string_view text) {
    out.put('"');
    while (!text.empty()) {
        const auto plain = static_cast<std::size_t>(
            std::find_if_not(text.begin(), text.end(), is_plain) - text.begin());
        out.put(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) break;
        const std::size_t bytes = sequence_bytes(text);
        if (bytes > 1) {
            out.put(text.substr(0, bytes));
        } else if (bytes == 1) {
            put_escaped(out, text[0]);
        } else {
            out.put(kReplacement);
        }
        text.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
    out.put('"');
}

template <class T>
void put_float(Cursor& out, T value) {
    if (std::isfinite(value)) {
        out.put_number(value);
    } else {
        out.put("null");
    }
}

// Element `i` of fixed-width values, or of elements of a list.
void put_fixed(Cursor& out, const data::Column& column, data::Kind kind, std::size_t i) {
    switch (kind) {
        case data::Kind::kBool:
            out.put(column.bool_at(i) ? "true" : "false");
            break;
        case data::Kind::kInt32:
            out.put_number(column.as<std::int32_t>()[i]);
            break;
        case data::Kind::kInt64:
        case data::Kind::kTimestampMs:
            out.put_number(column.as<std::int64_t>()[i]);
            break;
        case data::Kind::kFloat32:
            put_float(out, column.as<float>()[i]);
            break;
        case data::Kind::kFloat64:
            put_float(out, column.as<double>()[i]);
            break;
        default:
            break;
    }
}

void put_list(Cursor& out, const data::Column& column, data::Kind element, std::size_t row) {
    out.put('[');
    for (std::int32_t i = column.offsets[row]; i < column.offsets[row + 1]; ++i) {
        if (i > column.offsets[row]) out.put(',');
        const auto index = static_cast<std::size_t>(i);
        if (element == data::Kind::kString) {
            put_text(out, column.text_element_at(index));
        } else if (element == data::Kind::kBytes) {
            out.put_base64(column.text_element_at(index));
        } else {
            put_fixed(out, column, element, index);
        }
    }
    out.put(']');
}

void put_value(Cursor& out, const data::Column& column, data::Type type, std::size_t row) {
    if (column.is_null(row)) {
        out.put("null");
    } else if (type.kind == data::Kind::kString) {
        put_text(out, column.text_at(row));
    } else if (type.kind == data::Kind::kBytes) {
        out.put_base64(column.text_at(row));
    } else if (type.kind == data::Kind::kList) {
        put_list(out, column, type.element, row);
    } else {
        put_fixed(out, column, type.kind, row);
    }
}

// A node of the nested form: a column, or an object of nodes.
struct Node {
    std::string name;
    std::ptrdiff_t column = -1;
    std::vector<Node> members;
};

std::string quoted(std::string_view name) {
    std::string text(6 * name.size() + 2, ' ');
    Cursor out(text.data(), text.data() + text.size());
    put_text(out, name);
    text.resize(static_cast<std::size_t>(out.at() - text.data()));
    return text;
}

Status insert(Node& root, std::string_view name, std::size_t column) {
    Node* node = &root;
    for (std::string_view rest = name;;) {
        const std::size_t dot = std::min(rest.find('.'), rest.size());
        const std::string part(rest.substr(0, dot));
        if (part.empty())
            return fail(Code::kInvalidArgument, "a name has an empty part between dots: {}", name);
        const auto found = std::find_if(node->members.begin(), node->members.end(),
                                        [&](const Node& member) { return member.name == part; });
        const bool is_new = found == node->members.end();
        const bool is_last = dot == rest.size();
        if (!is_new && (is_last || found->column >= 0)) {
            return fail(Code::kInvalidArgument, "a name is both a value and an object: {}", name);
        }
        if (is_new) {
            node->members.push_back({.name = part, .members = {}});
            node = &node->members.back();
        } else {
            node = &*found;
        }
        if (is_last) break;
        rest.remove_prefix(dot + 1);
    }
    node->column = static_cast<std::ptrdiff_t>(column);
    return {};
}

// The text in front of a column's value.
struct Piece {
    std::string before;
    std::size_t column = 0;
};

class PlannedJson final : public JsonEncoder {
  public:
    PlannedJson(data::SchemaPtr schema, const Node& root) : schema_(std::move(schema)) {
        std::string text;
        flatten(root, text);
        end_ = std::move(text);
=======
using data::Column;
using data::Kind;

// An object to be, or the column that is a value.
struct Node {
    std::string name;
    std::size_t column = 0;
    bool is_object = false;
    std::vector<Node> children;
};

Status add_column(Node& root, const std::string& full_name, std::size_t column) {
    Node* object = &root;
    for (std::string_view rest = full_name;;) {
        const std::size_t dot = rest.find('.');
        const std::string name(rest.substr(0, dot));
        if (name.empty()) {
            return fail(Code::kInvalidArgument,
                        "format `json` cannot write field `{}`: a part between dots is empty",
                        full_name);
        }
        const bool is_value = dot == std::string_view::npos;
        const auto found = std::ranges::find(object->children, name, &Node::name);
        if (found != object->children.end() && (is_value || !found->is_object)) {
            return fail(Code::kInvalidArgument,
                        "format `json` cannot write field `{}`: `{}` would be both a value and an "
                        "object",
                        full_name, name);
        }
        if (is_value) {
            object->children.push_back({name, column, false, {}});
            return {};
        }
        if (found == object->children.end()) {
            object->children.push_back({name, 0, true, {}});
            object = &object->children.back();
        } else {
            object = &*found;
        }
        rest.remove_prefix(dot + 1);
    }
}

std::string quoted(const std::string& name) {
    std::string room(6 * name.size() + 20, '\0');
    JsonWriter writer(room);
    writer.write_string(name);
    room.resize(writer.size());
    return room;
}

// A column's value and everything that stands in front of it.
struct Step {
    std::string literal;
    std::size_t column;
    data::Type type;
};

class Plan final : public JsonEncoder {
  public:
    Plan(const Node& root, const data::Schema& schema) {
        append(root, schema);
        steps_.shrink_to_fit();
>>>>>>> ffb4b8e (operators: CSV in, JSON and raw bytes out)
    }

    std::size_t encode(const data::Batch& batch, std::size_t first_row, std::span<char> room,
                       std::span<std::uint32_t> ends) override {
<<<<<<< HEAD
        char* at = room.data();
        char* const end = room.data() + room.size();
        const std::size_t rows_max = std::min(batch.rows() - first_row, ends.size());
        std::size_t rows = 0;
        for (; rows < rows_max; ++rows) {
            Cursor out(at, end);
            for (const Piece& piece : pieces_) {
                out.put(piece.before);
                put_value(out, batch.column(piece.column), schema_->fields()[piece.column].type,
                          first_row + rows);
            }
            out.put(end_);
            if (!out.fits()) break;
            at = out.at();
            ends[rows] = static_cast<std::uint32_t>(at - room.data());
        }
        return rows;
    }

  private:
    // Walks the tree; `text` gathers what stands between two values.
    void flatten(const Node& node, std::string& text) {
        if (node.column >= 0) {
            pieces_.push_back(
                {.before = std::move(text), .column = static_cast<std::size_t>(node.column)});
            text.clear();
            return;
        }
        text += '{';
        for (const Node& member : node.members) {
            if (&member != &node.members.front()) text += ',';
            text += quoted(member.name) + ':';
            flatten(member, text);
        }
        text += '}';
    }

    const data::SchemaPtr schema_;
    std::vector<Piece> pieces_;
    std::string end_;
=======
        const std::size_t rows_max = std::min(batch.rows() - first_row, ends.size());
        JsonWriter writer(room);
        for (std::size_t i = 0; i < rows_max; ++i) {
            for (const Step& step : steps_) {
                writer.write_literal(step.literal);
                write_value(batch.column(step.column), step.type, first_row + i, writer);
            }
            writer.write_literal(rest_);
            if (writer.is_full()) {
                return i;
            }
            ends[i] = static_cast<std::uint32_t>(writer.size());
        }
        return rows_max;
    }

  private:
    // Goes through the tree once; `rest_` is what the next value will have in front of it.
    void append(const Node& node, const data::Schema& schema) {
        rest_ += '{';
        bool is_first = true;
        for (const Node& child : node.children) {
            rest_ += is_first ? "" : ",";
            rest_ += quoted(child.name) + ":";
            is_first = false;
            if (child.is_object) {
                append(child, schema);
            } else {
                steps_.push_back(
                    {std::exchange(rest_, {}), child.column, schema.fields()[child.column].type});
            }
        }
        rest_ += '}';
    }

    static void write_value(const Column& column, data::Type type, std::size_t row,
                            JsonWriter& writer) {
        if (column.is_null(row)) {
            writer.write_literal("null");
            return;
        }
        switch (type.kind) {
            case Kind::kString:
                return writer.write_string(column.text_at(row));
            case Kind::kBytes:
                return writer.write_bytes(column.text_at(row));
            case Kind::kList:
                return write_list(column, type.element, row, writer);
            default:
                write_scalar(column, type.kind, row, writer);
        }
    }

    // `at` counts values from the start of the column's values.
    static void write_scalar(const Column& column, Kind kind, std::size_t at, JsonWriter& writer) {
        switch (kind) {
            case Kind::kBool:
                return writer.write_literal(column.bool_at(at) ? "true" : "false");
            case Kind::kInt32:
                return writer.write_integer(column.as<std::int32_t>()[at]);
            case Kind::kFloat32:
                return writer.write_float(column.as<float>()[at]);
            case Kind::kFloat64:
                return writer.write_double(column.as<double>()[at]);
            default:
                writer.write_integer(column.as<std::int64_t>()[at]);
        }
    }

    static void write_list(const Column& column, Kind element, std::size_t row,
                           JsonWriter& writer) {
        writer.write_literal("[");
        const auto first = static_cast<std::size_t>(column.offsets[row]);
        const auto end = static_cast<std::size_t>(column.offsets[row + 1]);
        for (std::size_t i = first; i < end && !writer.is_full(); ++i) {
            if (i > first) writer.write_literal(",");
            if (element == Kind::kString) {
                writer.write_string(column.text_element_at(i));
            } else if (element == Kind::kBytes) {
                writer.write_bytes(column.text_element_at(i));
            } else {
                write_scalar(column, element, i, writer);
            }
        }
        writer.write_literal("]");
    }

    std::vector<Step> steps_;
    std::string rest_;
>>>>>>> ffb4b8e (operators: CSV in, JSON and raw bytes out)
};

}  // namespace

Result<std::unique_ptr<JsonEncoder>> JsonEncoder::make(data::SchemaPtr schema) {
<<<<<<< HEAD
    Node root;
    for (std::size_t i = 0; i < schema->size(); ++i) {
        const data::Field& field = schema->fields()[i];
        if (field.type.kind == data::Kind::kFeatures) {
            return fail(Code::kInvalidArgument, "features cannot be written as JSON: {}",
                        field.name);
        }
        MILLRACE_TRY(insert(root, field.name, i));
    }
    return std::make_unique<PlannedJson>(std::move(schema), root);
=======
    Node root{{}, 0, true, {}};
    for (std::size_t i = 0; i < schema->size(); ++i) {
        const data::Field& field = schema->fields()[i];
        if (field.type.kind == Kind::kFeatures) {
            return fail(Code::kInvalidArgument, "format `json` cannot write features: field `{}`",
                        field.name);
        }
        MILLRACE_TRY(add_column(root, field.name, i));
    }
    return std::make_unique<Plan>(root, *schema);
>>>>>>> ffb4b8e (operators: CSV in, JSON and raw bytes out)
}

}  // namespace millrace::operators
