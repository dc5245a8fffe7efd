#include "runtime/data/column_copy.h"

#include <cstring>

namespace millrace::data {
namespace {

// Bytes of `count` elements of a fixed-width or bool kind.
std::size_t elements_bytes(Kind kind, std::size_t count) {
    return kind == Kind::kBool ? (count + 7) / 8 : count * fixed_width(kind);
}

bool bit_at(const std::uint8_t* bits, std::size_t at) {
    return ((bits[at >> 3] >> (at & 7)) & 1) != 0;
}

// Copies `count` bits from bit `first` on to bit `to_first` on. The target's other bits at and
// above `to_first` in its first byte, and behind the last bit, become zero.
void copy_bits(const std::uint8_t* from, std::size_t first, std::size_t count, std::uint8_t* to,
               std::size_t to_first) {
    if (first % 8 == 0 && to_first % 8 == 0) {
        std::memcpy(to + to_first / 8, from + first / 8, (count + 7) / 8);
        if (count % 8 != 0) {
            to[(to_first + count) / 8] &= static_cast<std::uint8_t>((1U << (count % 8)) - 1);
        }
        return;
    }
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t bit = (to_first + i) % 8;
        std::uint8_t& byte = to[(to_first + i) / 8];
        byte = static_cast<std::uint8_t>((byte & ((1U << bit) - 1)) |
                                         (unsigned{bit_at(from, first + i)} << bit));
    }
}

void copy_row_bits(const std::uint8_t* from, RowSelection rows, std::uint8_t* to) {
    if (rows.is_range()) {
        copy_bits(from, rows.first(), rows.size(), to, 0);
        return;
    }
    std::memset(to, 0, (rows.size() + 7) / 8);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        to[i / 8] =
            static_cast<std::uint8_t>(to[i / 8] | (unsigned{bit_at(from, rows[i])} << (i % 8)));
    }
}

// Writes the new offsets and calls `copy(from, to, count)` for each run of elements.
template <class Copy>
void copy_runs(const std::int32_t* offsets, RowSelection rows, std::int32_t* to, Copy copy) {
    to[0] = 0;
    if (rows.size() == 0) {
        return;
    }
    if (rows.is_range()) {
        const std::int32_t* const from = offsets + rows.first();
        for (std::size_t i = 0; i <= rows.size(); ++i) {
            to[i] = from[i] - from[0];
        }
        copy(from[0], 0, to[rows.size()]);
        return;
    }
    std::int32_t at = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::int32_t first = offsets[rows[i]];
        const std::int32_t count = offsets[rows[i] + 1] - first;
        copy(first, at, count);
        at += count;
        to[i + 1] = at;
    }
}

void copy_bytes(std::byte* to, const std::byte* from, std::size_t count) {
    if (count > 0) {
        std::memcpy(to, from, count);
    }
}

void copy_text_list(const Column& from, RowSelection rows, const ColumnArrays& to) {
    std::int32_t end = 0;
    to.element_offsets[0] = 0;
    copy_runs(from.offsets, rows, to.offsets,
              [&](std::int32_t first, std::int32_t at, std::int32_t count) {
                  const std::int32_t* const source = from.element_offsets + first;
                  for (std::int32_t i = 1; i <= count; ++i) {
                      to.element_offsets[at + i] = end + source[i] - source[0];
                  }
                  const std::int32_t bytes = source[count] - source[0];
                  copy_bytes(to.values + end, from.values + source[0],
                             static_cast<std::size_t>(bytes));
                  end += bytes;
              });
}

void copy_bool_list(const Column& from, RowSelection rows, const ColumnArrays& to) {
    copy_runs(from.offsets, rows, to.offsets,
              [&](std::int32_t first, std::int32_t at, std::int32_t count) {
                  copy_bits(reinterpret_cast<const std::uint8_t*>(from.values),
                            static_cast<std::size_t>(first), static_cast<std::size_t>(count),
                            reinterpret_cast<std::uint8_t*>(to.values),
                            static_cast<std::size_t>(at));
              });
}

// Texts, lists of fixed-width elements and features: `width` bytes an element.
void copy_runs_of(std::size_t width, const Column& from, RowSelection rows,
                  const ColumnArrays& to) {
    copy_runs(
        from.offsets, rows, to.offsets,
        [&](std::int32_t first, std::int32_t at, std::int32_t count) {
            const auto source = static_cast<std::size_t>(first);
            const auto target = static_cast<std::size_t>(at);
            const auto elements = static_cast<std::size_t>(count);
            copy_bytes(to.values + target * width, from.values + source * width, elements * width);
            if (to.weights != nullptr && elements > 0) {
                std::memcpy(to.weights + target, from.weights + source, elements * sizeof(float));
            }
        });
}

std::size_t run_lengths(const std::int32_t* offsets, RowSelection rows) {
    if (rows.size() == 0) {
        return 0;
    }
    if (rows.is_range()) {
        return static_cast<std::size_t>(offsets[rows.first() + rows.size()] -
                                        offsets[rows.first()]);
    }
    std::size_t sum = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        sum += static_cast<std::size_t>(offsets[rows[i] + 1] - offsets[rows[i]]);
    }
    return sum;
}

std::size_t text_element_bytes(const Column& column, RowSelection rows) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::int32_t* const offsets = column.offsets + rows[i];
        sum += static_cast<std::size_t>(column.element_offsets[offsets[1]] -
                                        column.element_offsets[offsets[0]]);
    }
    return sum;
}

}  // namespace

ColumnExtent measure_column(Type type, const Column& column, RowSelection rows) {
    ColumnExtent extent;
    extent.has_validity = column.validity != nullptr;
    extent.has_weights = column.weights != nullptr;
    if (is_text(type.kind)) {
        extent.bytes = run_lengths(column.offsets, rows);
    } else if (has_offsets(type.kind)) {
        extent.elements = run_lengths(column.offsets, rows);
        if (type.kind == Kind::kList && is_text(type.element)) {
            extent.bytes = text_element_bytes(column, rows);
        }
    }
    return extent;
}

ColumnArrays place_column(Type type, const ColumnExtent& extent, std::size_t rows,
                          std::size_t alignment, std::byte* base, std::size_t& at) {
    const auto take = [&](std::size_t bytes) {
        std::byte* const array = base == nullptr ? nullptr : base + at;
        at = (at + bytes + alignment - 1) / alignment * alignment;
        return array;
    };
    const auto take_offsets = [&](std::size_t count) {
        return reinterpret_cast<std::int32_t*>(take((count + 1) * sizeof(std::int32_t)));
    };
    ColumnArrays arrays;
    if (extent.has_validity) {
        arrays.validity = reinterpret_cast<std::uint8_t*>(take((rows + 7) / 8));
    }
    if (!has_offsets(type.kind)) {
        arrays.values = take(elements_bytes(type.kind, rows));
        return arrays;
    }
    arrays.offsets = take_offsets(rows);
    if (is_text(type.kind)) {
        arrays.values = take(extent.bytes);
    } else if (type.kind == Kind::kFeatures) {
        arrays.values = take(extent.elements * sizeof(std::uint32_t));
        if (extent.has_weights) {
            arrays.weights = reinterpret_cast<float*>(take(extent.elements * sizeof(float)));
        }
    } else if (is_text(type.element)) {
        arrays.element_offsets = take_offsets(extent.elements);
        arrays.values = take(extent.bytes);
    } else {
        arrays.values = take(elements_bytes(type.element, extent.elements));
    }
    return arrays;
}

void copy_column(Type type, const Column& from, RowSelection rows, const ColumnArrays& to) {
    if (to.validity != nullptr) {
        copy_row_bits(from.validity, rows, to.validity);
    }
    switch (type.kind) {
        case Kind::kBool:
            return copy_row_bits(reinterpret_cast<const std::uint8_t*>(from.values), rows,
                                 reinterpret_cast<std::uint8_t*>(to.values));
        case Kind::kInt32:
        case Kind::kFloat32:
            return copy_values(from.as<std::uint32_t>(), rows,
                               reinterpret_cast<std::uint32_t*>(to.values));
        case Kind::kInt64:
        case Kind::kFloat64:
        case Kind::kTimestampMs:
            return copy_values(from.as<std::uint64_t>(), rows,
                               reinterpret_cast<std::uint64_t*>(to.values));
        case Kind::kString:
        case Kind::kBytes:
            return copy_runs_of(1, from, rows, to);
        case Kind::kFeatures:
            return copy_runs_of(sizeof(std::uint32_t), from, rows, to);
        case Kind::kList:
            break;
    }
    if (is_text(type.element)) {
        return copy_text_list(from, rows, to);
    }
    if (type.element == Kind::kBool) {
        return copy_bool_list(from, rows, to);
    }
    copy_runs_of(fixed_width(type.element), from, rows, to);
}

}  // namespace millrace::data
