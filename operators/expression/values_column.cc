#include "operators/expression/values_column.h"

#include <cstring>

#include "runtime/base/check.h"

namespace millrace::operators {
namespace {

// What DerivedBatch rounds its arrays up to.
constexpr std::size_t kAlignment = 64;

std::size_t rounded(std::size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

std::size_t bitmap_bytes(std::size_t rows) { return (rows + 7) / 8; }

bool has_null(const ExpressionValues& values, std::size_t rows) {
    return count_rows(values.present) < rows;
}

std::size_t text_bytes(const ExpressionValues& values, std::size_t rows) {
    std::size_t sum = 0;
    for (std::size_t row = 0; row < rows; ++row) sum += values.as<std::string_view>()[row].size();
    return sum;
}

template <class T>
const std::byte* bytes_of(std::span<T> array) {
    return reinterpret_cast<const std::byte*>(array.data());
}

std::span<std::uint8_t> write_bits(std::span<const std::uint64_t, kRowWords> bits, std::size_t rows,
                                   data::DerivedBatch& batch) {
    const auto bitmap = batch.array<std::uint8_t>(bitmap_bytes(rows));
    std::memcpy(bitmap.data(), bits.data(), bitmap.size());
    return bitmap;
}

template <class T>
const std::byte* write_numbers(const ExpressionValues& values, std::size_t rows,
                               data::DerivedBatch& batch) {
    const auto array = batch.array<T>(rows);
    for (std::size_t row = 0; row < rows; ++row)
        array[row] = has_row(values.present, row) ? values.as<T>()[row] : T{0};
    return bytes_of(array);
}

void write_texts(const ExpressionValues& values, std::size_t rows, data::DerivedBatch& batch,
                 data::Column& column) {
    const auto offsets = batch.array<std::int32_t>(rows + 1);
    const auto bytes = batch.array<std::byte>(text_bytes(values, rows));
    std::size_t at = 0;
    for (std::size_t row = 0; row < rows; ++row) {
        offsets[row] = static_cast<std::int32_t>(at);
        const std::string_view text = values.as<std::string_view>()[row];
        if (!text.empty()) std::memcpy(bytes.data() + at, text.data(), text.size());
        at += text.size();
    }
    offsets[rows] = static_cast<std::int32_t>(at);
    column.offsets = offsets.data();
    column.values = bytes.data();
}

}  // namespace

std::size_t bytes_of_values(ValueKind kind, const ExpressionValues& values, std::size_t rows) {
    const std::size_t validity = has_null(values, rows) ? rounded(bitmap_bytes(rows)) : 0;
    if (kind == ValueKind::kBool) return validity + rounded(bitmap_bytes(rows));
    if (is_text(kind))
        return validity + rounded((rows + 1) * sizeof(std::int32_t)) +
               rounded(text_bytes(values, rows));
    return validity + rounded(rows * sizeof(std::int64_t));
}

void write_values(ValueKind kind, const ExpressionValues& values, std::size_t rows,
                  std::size_t column, data::DerivedBatch& batch) {
    data::Column written;
    if (has_null(values, rows)) written.validity = write_bits(values.present, rows, batch).data();
    if (is_text(kind)) {
        write_texts(values, rows, batch, written);
    } else if (kind == ValueKind::kBool) {
        written.values = bytes_of(write_bits(values.is_true, rows, batch));
    } else if (kind == ValueKind::kFloat) {
        written.values = write_numbers<double>(values, rows, batch);
    } else {
        written.values = write_numbers<std::int64_t>(values, rows, batch);
    }
    batch.set(column, written);
}

}  // namespace millrace::operators
