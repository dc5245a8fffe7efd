#include "tests/data/random_batch.h"

#include <bit>
#include <cstring>

#include <fmt/core.h>

#include "runtime/base/check.h"

namespace millrace::test {
namespace {

using data::Batch;
using data::BatchBuilder;
using data::Column;
using data::Kind;
using data::Type;

std::string hex(std::string_view bytes) {
    std::string text = "'";
    for (const char c : bytes) {
        text += fmt::format("{:02x}", static_cast<unsigned char>(c));
    }
    return text + "'";
}

std::string random_bytes(Random& random, std::uint64_t length_max) {
    std::string text(random.below(length_max + 1), '\0');
    for (char& c : text) {
        c = static_cast<char>(random.below(256));
    }
    return text;
}

std::string draw_scalar(Random& random, BatchBuilder& builder, std::size_t column, Kind kind,
                        std::uint64_t text_max) {
    const std::uint64_t bits = random.next();
    switch (kind) {
        case Kind::kBool:
            builder.set_bool(column, (bits & 1) != 0);
            return (bits & 1) != 0 ? "true" : "false";
        case Kind::kInt32:
            builder.set_int32(column, static_cast<std::int32_t>(bits));
            return fmt::format("{}", static_cast<std::int32_t>(bits));
        case Kind::kFloat32:
            builder.set_float32(column, std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
            return fmt::format("{:08x}", static_cast<std::uint32_t>(bits));
        case Kind::kFloat64:
            builder.set_float64(column, std::bit_cast<double>(bits));
            return fmt::format("{:016x}", bits);
        case Kind::kString:
        case Kind::kBytes: {
            const std::string text = random_bytes(random, text_max);
            MILLRACE_CHECK(builder.set_text(column, text).has_value());
            return hex(text);
        }
        default:
            builder.set_int64(column, static_cast<std::int64_t>(bits));
            return fmt::format("{}", static_cast<std::int64_t>(bits));
    }
}

std::string draw_element(Random& random, BatchBuilder& builder, std::size_t column, Kind kind,
                         std::uint64_t text_max) {
    const auto integer = static_cast<std::int64_t>(random.next());
    const double real = random.unit();
    if (data::is_text(kind)) {
        const std::string text = random_bytes(random, text_max);
        MILLRACE_CHECK(builder.append_element(column, std::string_view(text)).has_value());
        return hex(text);
    }
    if (kind == Kind::kFloat32 || kind == Kind::kFloat64) {
        MILLRACE_CHECK(builder.append_element(column, real).has_value());
        return kind == Kind::kFloat64
                   ? fmt::format("{:016x}", std::bit_cast<std::uint64_t>(real))
                   : fmt::format("{:08x}", std::bit_cast<std::uint32_t>(static_cast<float>(real)));
    }
    MILLRACE_CHECK(
        builder.append_element(column, kind == Kind::kBool ? integer & 1 : integer).has_value());
    switch (kind) {
        case Kind::kBool:
            return (integer & 1) != 0 ? "true" : "false";
        case Kind::kInt32:
            return fmt::format("{}", static_cast<std::int32_t>(integer));
        default:
            return fmt::format("{}", integer);
    }
}

std::string draw_cell(Random& random, BatchBuilder& builder, std::size_t column, Type type,
                      const CellSizes& sizes) {
    if (random.below(100) < sizes.nulls) {
        return "null";
    }
    if (type.kind != Kind::kList) {
        return draw_scalar(random, builder, column, type.kind, sizes.text_max);
    }
    builder.begin_list(column);
    std::string text = "[";
    for (std::uint64_t n = random.below(sizes.list_max + 1); n > 0; --n) {
        text += draw_element(random, builder, column, type.element, sizes.text_max) + " ";
    }
    return text + "]";
}

// `at` counts values of the kind from the start of `values`.
std::string text_of_value(Kind kind, const std::byte* values, std::size_t at) {
    const auto load = [&]<class T>(T value) {
        std::memcpy(&value, values + at * sizeof(T), sizeof(T));
        return value;
    };
    switch (kind) {
        case Kind::kBool:
            return ((static_cast<unsigned>(values[at / 8]) >> (at % 8)) & 1) != 0 ? "true"
                                                                                  : "false";
        case Kind::kInt32:
            return fmt::format("{}", load(std::int32_t{}));
        case Kind::kFloat32:
            return fmt::format("{:08x}", load(std::uint32_t{}));
        case Kind::kFloat64:
            return fmt::format("{:016x}", load(std::uint64_t{}));
        default:
            return fmt::format("{}", load(std::int64_t{}));
    }
}

std::string text_of_list(Type type, const Column& column, std::size_t row) {
    std::string text = "[";
    for (auto i = static_cast<std::size_t>(column.offsets[row]);
         i < static_cast<std::size_t>(column.offsets[row + 1]); ++i) {
        if (type.kind == Kind::kFeatures) {
            text += fmt::format("{}:{} ", column.as<std::uint32_t>()[i],
                                column.weights == nullptr ? 1.0F : column.weights[i]);
        } else if (data::is_text(type.element)) {
            text += hex(column.text_element_at(i)) + " ";
        } else {
            text += text_of_value(type.element, column.values, i) + " ";
        }
    }
    return text + "]";
}

std::string text_of_cell(Type type, const Column& column, std::size_t row) {
    if (column.is_null(row)) {
        return "null";
    }
    if (data::is_text(type.kind)) {
        return hex(column.text_at(row));
    }
    if (data::has_offsets(type.kind)) {
        return text_of_list(type, column, row);
    }
    return text_of_value(type.kind, column.values, row);
}

std::string text_of_position(const data::Position& position) {
    return fmt::format("@{}/{}/{}", position.split, position.ordinal, position.timestamp_ms);
}

}  // namespace

data::SchemaPtr random_schema(Random& random, std::size_t columns_max) {
    std::vector<data::Field> fields;
    const std::size_t columns = random.below(columns_max + 1);
    for (std::size_t i = 0; i < columns; ++i) {
        const auto kind = static_cast<Kind>(random.below(9));
        const auto element = static_cast<Kind>(random.below(8));
        fields.push_back(
            {fmt::format("c{}", i), {kind, kind == Kind::kList ? element : Kind::kBool}});
    }
    return *data::Schema::make(std::move(fields));
}

RandomBatch random_batch(Random& random, const data::SchemaPtr& schema, std::size_t rows,
                         CellSizes sizes, data::BatchMemory& memory) {
    BatchBuilder builder(schema, memory);
    MILLRACE_CHECK(builder.begin().has_value());
    RandomBatch result;
    while (builder.rows() < rows && !builder.is_full()) {
        const data::Position position{static_cast<std::int32_t>(random.below(7)),
                                      static_cast<std::int64_t>(random.next()),
                                      static_cast<std::int64_t>(random.next())};
        std::string text = text_of_position(position);
        for (std::size_t i = 0; i < schema->size(); ++i) {
            text += " " + draw_cell(random, builder, i, schema->fields()[i].type, sizes);
        }
        builder.end_row(position);
        result.rows.push_back(std::move(text));
    }
    result.batch = builder.finish();
    return result;
}

RowTexts text_of(const Batch& batch) {
    RowTexts rows;
    for (std::size_t row = 0; row < batch.rows(); ++row) {
        std::string text = text_of_position(batch.positions().at(row));
        for (std::size_t i = 0; i < batch.columns().size(); ++i) {
            text += " " + text_of_cell(batch.schema()->fields()[i].type, batch.column(i), row);
        }
        rows.push_back(std::move(text));
    }
    return rows;
}

}  // namespace millrace::test
