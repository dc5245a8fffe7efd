// Turns columns into sparse rows: the only place where records become features.
//
// A row is: the constant feature; the standardized numbers (raw, see StandardScaler); then columns,
// then crosses, in order of name, so that the order in the job file changes nothing. Works in
// blocks of 64 rows: per column one array of keys and one word of validity, all in the first-level
// cache.
//
// Threads:    immutable after create(); compile() may run anywhere, with its own scratch and
//             output.
// Ownership:  owns its plan; borrows columns, scratch and output for the call.
// Limits:     entries_max() for a batch, entries_per_row_max() for any row. Never allocates after
//             create().
// Failure:    create(): a field whose type cannot be what the column asks for. compile(): none; a
//             number that is not finite is passed on, and the learner skips that row.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ml/column_view.h"
#include "ml/feature_block.h"
#include "ml/feature_plan.h"
#include "ml/feature_spec.h"
#include "ml/sparse_rows.h"
#include "runtime/base/status.h"

namespace millrace::ml {

class FeatureCompiler {
  public:
    // The fields that a spec reads, each once, sorted: what `types` and `columns` below stand for.
    [[nodiscard]] static std::vector<std::string> fields_of(const FeatureSpec& spec);

    // `types[i]` is the type of fields_of(spec)[i].
    static Result<FeatureCompiler> create(const FeatureSpec& spec,
                                          std::span<const FieldType> types);

    // Compiles `row_count` rows. `columns[i]` is field i.
    // REQUIRES: columns of the types given to create(); room as CompiledRows says;
    // scratch.size() >= scratch_words().
    CompileCounts compile(std::span<const ColumnView> columns, std::uint32_t row_count,
                          const CompiledRows& out, std::span<std::uint64_t> scratch) const;

    // Entries that these rows give at most.
    [[nodiscard]] std::size_t entries_max(std::span<const ColumnView> columns,
                                          std::uint32_t row_count) const;
    [[nodiscard]] std::size_t entries_per_row_max() const { return entries_per_row_max_; }
    // Entries of a row without nulls, counting one item per list; for priors and estimates.
    [[nodiscard]] std::size_t entries_per_row_usual() const { return entries_per_row_usual_; }
    // False: every value is 1, and SparseRows::values is nullptr.
    [[nodiscard]] bool has_values() const { return plan_.has_values; }
    [[nodiscard]] std::uint32_t scaled_columns() const { return plan_.scaled_columns; }
    [[nodiscard]] std::size_t scratch_words() const;
    [[nodiscard]] unsigned bits() const { return bits_; }
    // The schema hash of models over these features.
    [[nodiscard]] std::uint64_t schema_hash() const { return schema_hash_; }
    [[nodiscard]] std::span<const std::string> fields() const { return fields_; }

  private:
    FeatureCompiler() = default;
    Status bind_columns(const FeatureSpec& spec, std::span<const FieldType> types);
    void bind_crosses(const FeatureSpec& spec);
    void count_entries();

    std::vector<std::string> fields_;
    FeaturePlan plan_;
    unsigned bits_ = 0;
    std::size_t entries_per_row_max_ = 0;
    std::size_t entries_per_row_usual_ = 0;
    std::uint64_t schema_hash_ = 0;
};

}  // namespace millrace::ml
