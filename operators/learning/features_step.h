// Compiles records into sparse feature vectors, once for all steps that read them.
//
// Adds one column `features:<set>` for each feature set; the records' own fields pass unchanged and
// are not copied.
//
// Threads, Ownership, Failure: as the operator contract says.
// Limits:     one batch out for each batch in; a row's entries as ml::FeatureCompiler bounds them.

#pragma once

#include <vector>

#include "ml/feature_compiler.h"
#include "operators/operator.h"
#include "operators/registry.h"
#include "runtime/data/derived_batch.h"

namespace millrace::operators {

class FeaturesStep final : public Step {
  public:
    // One feature set and the columns of the input that it reads.
    struct Set {
        ml::FeatureCompiler compiler;
        std::vector<std::size_t> columns;
    };

    FeaturesStep(std::vector<Set> sets, data::SchemaPtr schema);

    static OperatorSpec spec();

    Status open(OperatorContext& context) override;
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                             Output& output) override;
    void close() noexcept override;

  private:
    // Fills views_ with the columns that `set` reads.
    void view_columns(const Set& set, const data::Batch& batch);
    data::Column compile(const Set& set, const data::Batch& batch, std::size_t entries,
                         data::DerivedBatch& derived);

    const std::vector<Set> sets_;
    const data::SchemaPtr schema_;
    OperatorContext* context_ = nullptr;
    memory::Segment scratch_;
    std::vector<ml::ColumnView> views_;   // Reused; of the set in hand.
    std::vector<ml::ColumnView> childs_;  // Reused; elements of lists.
    std::vector<std::size_t> entries_;    // Reused; what each set gives at most.
    metrics::Counter* items_dropped_ = nullptr;
};

}  // namespace millrace::operators
