#include "ml/standard_scaler.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "runtime/base/check.h"

namespace millrace::ml {
namespace {

bool is_missing(float value) { return value == 0.0F && std::signbit(value); }

float scaled(float value, ColumnScale scale) {
    if (is_missing(value)) return value;
    // Adding +0 keeps a result of -0 from looking like "missing".
    return (value - scale.mean) * scale.inverse + 0.0F;
}

void copy_values(const SparseRows& rows, std::span<float> values) {
    const auto first = static_cast<std::size_t>(rows.offsets[0]);
    const auto last = static_cast<std::size_t>(rows.offsets[rows.row_count]);
    MILLRACE_CHECK_LE(last, values.size());
    std::copy(rows.values + first, rows.values + last, values.begin() + rows.offsets[0]);
}

}  // namespace

void PublishedScaler::store(std::uint32_t column, ColumnScale scale) {
    scales_[column].store(std::bit_cast<std::uint64_t>(scale), std::memory_order_relaxed);
}

void PublishedScaler::transform(const SparseRows& rows, std::span<float> values) const {
    copy_values(rows, values);
    const std::uint32_t columns = columns_.load(std::memory_order_acquire);
    for (std::uint32_t column = 0; column < columns; ++column) {
        const auto scale =
            std::bit_cast<ColumnScale>(scales_[column].load(std::memory_order_relaxed));
        for (std::uint32_t r = 0; r < rows.row_count; ++r) {
            float& value = values[static_cast<std::size_t>(rows.offsets[r]) + 1 + column];
            value = scaled(value, scale);
        }
    }
}

StandardScaler::StandardScaler(std::uint32_t columns) : columns_(columns) {
    MILLRACE_CHECK_LE(columns, kScaledColumnsMax);
}

ColumnScale StandardScaler::scale(std::uint32_t column) const {
    const Moments& m = moments_[column];
    if (m.count == 0 || !(m.squares > 0)) return {.mean = static_cast<float>(m.mean), .inverse = 0};
    const double deviation = std::sqrt(m.squares / static_cast<double>(m.count));
    return {.mean = static_cast<float>(m.mean), .inverse = static_cast<float>(1 / deviation)};
}

void StandardScaler::learn_row(const float* values, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
        if (is_missing(values[i])) continue;
        Moments& m = moments_[i];
        ++m.count;
        const double distance = static_cast<double>(values[i]) - m.mean;
        m.mean += distance / static_cast<double>(m.count);
        m.squares += distance * (static_cast<double>(values[i]) - m.mean);
    }
}

void StandardScaler::learn_and_transform(const SparseRows& rows, LabelRule rule,
                                         std::span<float> values) {
    copy_values(rows, values);
    for (std::uint32_t r = 0; r < rows.row_count; ++r) {
        float* first = values.data() + rows.offsets[r] + 1;
        const auto finite = [](float value) { return std::isfinite(value); };
        const float weight = rows.weights == nullptr ? 1.0F : rows.weights[r];
        if (!label_allowed(rows.labels[r], rule) || !weight_allowed(weight) ||
            !std::all_of(first, values.data() + rows.offsets[r + 1], finite)) {
            continue;
        }
        learn_row(first, columns_);
        for (std::uint32_t i = 0; i < columns_; ++i) first[i] = scaled(first[i], scale(i));
    }
}

}  // namespace millrace::ml
