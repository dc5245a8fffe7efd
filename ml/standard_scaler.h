// Brings numeric features to mean 0 and deviation 1, learning both from the stream (Welford).
//
// A row is learned first and transformed after, so the first row gives 0. Population variance; a
// column that never varied gives 0. Scaled columns stand at entries 1 .. columns of every row,
// right after the constant feature, where the compiler put their raw values: -0 there means
// "missing", teaches nothing and stays (it adds nothing to any margin); a real 0 is +0.
//
// Threads:    StandardScaler belongs to the table's writer and is updated in the order of learning;
//             PublishedScaler has one writer and many readers, as the serving view has.
// Limits:     kScaledColumnsMax columns. Never allocates.
// Failure:    none; rows that a learner would skip are not learned here either.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

#include "ml/label_rule.h"
#include "ml/sparse_rows.h"

namespace millrace::ml {

constexpr std::uint32_t kScaledColumnsMax = 64;

// What one column needs to be transformed: (x - mean) * inverse, inverse 0 if it never varied.
struct ColumnScale {
    float mean = 0;
    float inverse = 0;
};

// The scales as predict tasks read them.
class PublishedScaler {
  public:
    // Writes `values`, a copy of rows.values with the scaled columns transformed.
    // REQUIRES: `values` has room for the last offset.
    void transform(const SparseRows& rows, std::span<float> values) const;
    void store(std::uint32_t column, ColumnScale scale);
    void set_columns(std::uint32_t columns) { columns_.store(columns, std::memory_order_release); }

  private:
    std::atomic<std::uint32_t> columns_{0};
    std::array<std::atomic<std::uint64_t>, kScaledColumnsMax> scales_{};
};

class StandardScaler {
  public:
    // One column's running moments.
    struct Moments {
        std::uint64_t count = 0;
        double mean = 0;
        double squares = 0;  // Sum of squared distances from the mean.
        bool operator==(const Moments&) const = default;
    };

    // REQUIRES: columns <= kScaledColumnsMax.
    explicit StandardScaler(std::uint32_t columns);

    // Learns each row, then transforms it into `values`, one by one. Rows whose label, weight or
    // any value is refused are copied as they are.
    // REQUIRES: rows.values != nullptr; `values` has room for the last offset; every row has the
    // constant feature and the scaled columns.
    void learn_and_transform(const SparseRows& rows, LabelRule rule, std::span<float> values);

    [[nodiscard]] ColumnScale scale(std::uint32_t column) const;
    [[nodiscard]] std::uint32_t columns() const { return columns_; }
    [[nodiscard]] std::span<Moments> moments() { return {moments_.data(), columns_}; }
    [[nodiscard]] std::span<const Moments> moments() const { return {moments_.data(), columns_}; }
    void clear() { moments_.fill({}); }

  private:
    void learn_row(const float* values, std::uint32_t count);

    std::uint32_t columns_;
    std::array<Moments, kScaledColumnsMax> moments_{};
};

}  // namespace millrace::ml
