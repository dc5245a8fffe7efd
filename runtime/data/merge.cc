#include "runtime/data/merge.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/data/batch_block.h"
#include "runtime/data/batch_memory.h"
#include "runtime/data/column_copy.h"

namespace millrace::data {
namespace {

RowSelection selection(const BatchRows& part) { return RowSelection::listed(part.rows); }

std::size_t count_rows(std::span<const BatchRows> parts) {
    std::size_t rows = 0;
    for (const BatchRows& part : parts) {
        rows += part.rows.size();
    }
    return rows;
}

ColumnExtent measure_parts(Type type, std::size_t column, std::span<const BatchRows> parts) {
    ColumnExtent sum;
    for (const BatchRows& part : parts) {
        const ColumnExtent extent =
            measure_column(type, part.batch->column(column), selection(part));
        sum.has_validity = sum.has_validity || extent.has_validity;
        sum.has_weights = sum.has_weights || extent.has_weights;
        sum.elements += extent.elements;
        sum.bytes += extent.bytes;
    }
    return sum;
}

void set_bit(std::uint8_t* bits, std::size_t at) {
    bits[at / 8] = static_cast<std::uint8_t>(bits[at / 8] | (1U << (at % 8)));
}

bool bit_at(const std::uint8_t* bits, std::size_t at) {
    return ((bits[at / 8] >> (at % 8)) & 1) != 0;
}

// Sets the bits from `at` on that the part's rows have in `from`; all of them where it is null.
void merge_row_bits(const std::uint8_t* from, std::span<const std::uint16_t> rows, std::size_t at,
                    std::uint8_t* to) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (from == nullptr || bit_at(from, rows[i])) {
            set_bit(to, at + i);
        }
    }
}

// How far a merged column is filled.
struct Filled {
    std::size_t rows = 0;
    std::size_t elements = 0;
    std::size_t bytes = 0;
};

void merge_bool_list(const Column& from, std::span<const std::uint16_t> rows, const Filled& filled,
                     const ColumnArrays& to) {
    auto at = static_cast<std::int32_t>(filled.elements);
    auto* const bits = reinterpret_cast<std::uint8_t*>(to.values);
    to.offsets[filled.rows] = at;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        for (std::int32_t e = from.offsets[rows[i]]; e < from.offsets[rows[i] + 1]; ++e, ++at) {
            if (bit_at(reinterpret_cast<const std::uint8_t*>(from.values),
                       static_cast<std::size_t>(e))) {
                set_bit(bits, static_cast<std::size_t>(at));
            }
        }
        to.offsets[filled.rows + i + 1] = at;
    }
}

void shift(std::int32_t* offsets, std::size_t count, std::size_t by) {
    for (std::size_t i = 0; i <= count; ++i) {
        offsets[i] += static_cast<std::int32_t>(by);
    }
}

// Everything with offsets but lists of bool: copies the part as a column of its own behind what is
// filled, then moves its offsets up.
void merge_runs(Type type, const Column& from, const BatchRows& part, const ColumnExtent& extent,
                const Filled& filled, const ColumnArrays& to) {
    const bool is_text_column = is_text(type.kind);
    const bool is_text_list = type.kind == Kind::kList && is_text(type.element);
    ColumnArrays behind;
    behind.offsets = to.offsets + filled.rows;
    if (is_text_column || is_text_list) {
        behind.values = to.values + filled.bytes;
    } else if (type.kind == Kind::kFeatures) {
        behind.values = to.values + filled.elements * sizeof(std::uint32_t);
    } else {
        behind.values = to.values + filled.elements * fixed_width(type.element);
    }
    if (is_text_list) {
        behind.element_offsets = to.element_offsets + filled.elements;
    }
    if (to.weights != nullptr && from.weights != nullptr) {
        behind.weights = to.weights + filled.elements;
    } else if (to.weights != nullptr) {
        std::fill_n(to.weights + filled.elements, extent.elements, 1.0F);
    }
    copy_column(type, from, selection(part), behind);
    shift(behind.offsets, part.rows.size(), is_text_column ? filled.bytes : filled.elements);
    if (is_text_list) {
        shift(behind.element_offsets, extent.elements, filled.bytes);
    }
}

void merge_part(Type type, const Column& from, const BatchRows& part, const ColumnExtent& extent,
                const Filled& filled, const ColumnArrays& to) {
    if (to.validity != nullptr) {
        merge_row_bits(from.validity, part.rows, filled.rows, to.validity);
    }
    if (type.kind == Kind::kBool) {
        return merge_row_bits(reinterpret_cast<const std::uint8_t*>(from.values), part.rows,
                              filled.rows, reinterpret_cast<std::uint8_t*>(to.values));
    }
    if (type.kind == Kind::kList && type.element == Kind::kBool) {
        return merge_bool_list(from, part.rows, filled, to);
    }
    if (has_offsets(type.kind)) {
        return merge_runs(type, from, part, extent, filled, to);
    }
    ColumnArrays behind;
    behind.values = to.values + filled.rows * fixed_width(type.kind);
    copy_column(type, from, selection(part), behind);
}

void merge_column(Type type, std::size_t column, std::span<const BatchRows> parts,
                  const ColumnExtent& whole, std::size_t rows, const ColumnArrays& to) {
    if (to.validity != nullptr) {
        std::memset(to.validity, 0, (rows + 7) / 8);
    }
    if (type.kind == Kind::kBool) {
        std::memset(to.values, 0, (rows + 7) / 8);
    } else if (type.kind == Kind::kList && type.element == Kind::kBool) {
        std::memset(to.values, 0, (whole.elements + 7) / 8);
    }
    Filled filled;
    for (const BatchRows& part : parts) {
        const Column& from = part.batch->column(column);
        const ColumnExtent extent = measure_column(type, from, selection(part));
        merge_part(type, from, part, extent, filled, to);
        filled.rows += part.rows.size();
        filled.elements += extent.elements;
        filled.bytes += extent.bytes;
    }
}

template <class T>
const T* merge_positions(std::span<const BatchRows> parts, const T* PositionColumns::* column,
                         std::byte* to) {
    T* at = reinterpret_cast<T*>(to);
    for (const BatchRows& part : parts) {
        copy_values(part.batch->positions().*column, selection(part), at);
        at += part.rows.size();
    }
    return reinterpret_cast<const T*>(to);
}

}  // namespace

Result<BatchPtr> merge(std::span<const BatchRows> parts, BatchMemory& memory) {
    MILLRACE_CHECK(!parts.empty());
    const std::size_t rows = count_rows(parts);
    MILLRACE_CHECK(rows > 0 && rows <= kRowsMax);
    const SchemaPtr& schema = parts.front().batch->schema();
    const std::span<const Field> fields = schema->fields();
    const std::size_t split_bytes = round_up(rows * sizeof(std::int32_t), kArrayAlignment);
    const std::size_t wide_bytes = round_up(rows * sizeof(std::int64_t), kArrayAlignment);
    std::size_t bytes =
        BatchMemory::Block::header_bytes(fields.size()) + split_bytes + 2 * wide_bytes;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        place_column(fields[i].type, measure_parts(fields[i].type, i, parts), rows, kArrayAlignment,
                     nullptr, bytes);
    }
    MILLRACE_TRY_ASSIGN(memory::Segment segment, memory.allocate(bytes));
    std::byte* const base = segment.data();
    auto* const block = BatchMemory::Block::make(std::move(segment), schema);
    std::size_t at = BatchMemory::Block::header_bytes(fields.size());
    PositionColumns positions;
    positions.split = merge_positions(parts, &PositionColumns::split, base + at);
    positions.ordinal = merge_positions(parts, &PositionColumns::ordinal, base + at + split_bytes);
    positions.timestamp_ms = merge_positions(parts, &PositionColumns::timestamp_ms,
                                             base + at + split_bytes + wide_bytes);
    at += split_bytes + 2 * wide_bytes;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const ColumnExtent extent = measure_parts(fields[i].type, i, parts);
        const ColumnArrays arrays =
            place_column(fields[i].type, extent, rows, kArrayAlignment, base, at);
        merge_column(fields[i].type, i, parts, extent, rows, arrays);
        block->columns_to_fill()[i] = arrays.view();
    }
    block->set_rows(rows, positions);
    block->finish();
    return block->share();
}

}  // namespace millrace::data
