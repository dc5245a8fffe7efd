#include "operators/format/json_encoder.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "operators/format/json_writer.h"

namespace millrace::operators {
namespace {

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

// Text that stands between two values, padded so that it can be copied as one block.
struct Literal {
    explicit Literal(std::string text) : padded(std::move(text)), bytes(padded.size()) {
        padded.resize(bytes + JsonWriter::kLiteralBlock);
    }
    [[nodiscard]] std::string_view text() const { return {padded.data(), bytes}; }

    std::string padded;
    std::size_t bytes;
};

// A column's value and everything that stands in front of it.
struct Step {
    Literal literal;
    std::size_t column;
    data::Type type;
};

class Plan final : public JsonEncoder {
  public:
    Plan(const Node& root, const data::Schema& schema) {
        std::string rest;
        append(root, schema, rest);
        end_ = Literal(std::move(rest));
    }

    std::size_t encode(const data::Batch& batch, std::size_t first_row, std::span<char> room,
                       std::span<std::uint32_t> ends) override {
        const std::size_t rows_max = std::min(batch.rows() - first_row, ends.size());
        JsonWriter writer(room);
        for (std::size_t i = 0; i < rows_max; ++i) {
            for (const Step& step : steps_) {
                writer.write_padded_literal(step.literal.text());
                write_value(batch.column(step.column), step.type, first_row + i, writer);
            }
            writer.write_padded_literal(end_.text());
            if (writer.is_full()) {
                return i;
            }
            ends[i] = static_cast<std::uint32_t>(writer.size());
        }
        return rows_max;
    }

  private:
    // Goes through the tree once; `rest` is what the next value will have in front of it.
    void append(const Node& node, const data::Schema& schema, std::string& rest) {
        rest += '{';
        bool is_first = true;
        for (const Node& child : node.children) {
            rest += is_first ? "" : ",";
            rest += quoted(child.name) + ":";
            is_first = false;
            if (child.is_object) {
                append(child, schema, rest);
            } else {
                steps_.push_back({Literal(std::exchange(rest, {})), child.column,
                                  schema.fields()[child.column].type});
            }
        }
        rest += '}';
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
    Literal end_{{}};
};

}  // namespace

Result<std::unique_ptr<JsonEncoder>> JsonEncoder::make(const data::SchemaPtr& schema) {
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
}

}  // namespace millrace::operators
