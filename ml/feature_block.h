// Compiles up to 64 rows: the inner part of the feature compiler.
//
// First one pass per column (keys, or values of numbers, and a word of validity), then one per
// cross, then the rows are put together. Without nulls and lists all rows are equally long, and
// each feature is written by one strided loop.
//
// Threads:    one owner; lives for one call of FeatureCompiler::compile().
// Ownership:  borrows everything.
// Failure:    none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ml/column_view.h"
#include "ml/feature_plan.h"
#include "ml/sparse_rows.h"

namespace millrace::ml {

// Where compiled rows are written. `values` may be empty if the plan has none.
struct CompiledRows {
    std::span<std::int32_t> offsets;  // row_count + 1
    std::span<std::uint32_t> slots;
    std::span<float> values;
};

struct CompileCounts {
    std::size_t entries = 0;
    std::uint64_t list_items_dropped = 0;  // Beyond `list_items` of their row.
};

class FeatureBlock {
  public:
    static constexpr std::uint32_t kRows = 64;

    // Keys and a word of validity per column and cross.
    [[nodiscard]] static std::size_t scratch_words(std::size_t columns, std::size_t crosses) {
        return (columns + crosses) * (kRows + 1);
    }

    FeatureBlock(const FeaturePlan& plan, std::span<const ColumnView> columns,
                 const CompiledRows& out, std::span<std::uint64_t> scratch);

    // Appends rows [first, first + count) after those already compiled.
    void compile(std::uint32_t first, std::uint32_t count, CompileCounts& counts);

  private:
    [[nodiscard]] std::uint64_t* keys_of(std::size_t feature) const {
        return scratch_.data() + feature * kRows;
    }
    [[nodiscard]] std::uint64_t& valid_of(std::size_t feature) const {
        return scratch_[features_ * kRows + feature];
    }
    [[nodiscard]] const ColumnView& view_of(const PlannedColumn& column) const {
        return columns_[column.field];
    }
    void fill_column(std::size_t index);
    void fill_cross(std::size_t index);
    void write_even_rows(CompileCounts& counts);
    void write_uneven_rows(CompileCounts& counts);
    void write_column(std::size_t index, std::uint32_t row, CompileCounts& counts);
    void write_list(const PlannedColumn& column, std::uint32_t row, CompileCounts& counts);
    void write_list_cross(const PlannedCross& cross, std::uint32_t row, CompileCounts& counts);
    void write_entry(std::uint32_t slot, float value, CompileCounts& counts);

    const FeaturePlan& plan_;
    const std::span<const ColumnView> columns_;
    const CompiledRows& out_;
    const std::span<std::uint64_t> scratch_;
    const std::size_t features_;  // columns and crosses
    std::uint32_t first_ = 0;
    std::uint32_t count_ = 0;
    std::uint64_t all_ = 0;  // A bit for each row of the block.
};

}  // namespace millrace::ml
