// A feature spec bound to the types of its fields: what compilation of a batch needs to know.
//
// Threads:    immutable once a FeatureCompiler has been created.

#pragma once

#include <cstdint>
#include <vector>

#include "ml/column_view.h"
#include "ml/feature_spec.h"
#include "ml/hash.h"

namespace millrace::ml {

// The type of a field: `item` is the items' kind of a list.
struct FieldType {
    ColumnKind kind = ColumnKind::kInt64;
    ColumnKind item = ColumnKind::kInt64;
};

struct PlannedColumn {
    FeatureColumn declared;
    std::uint32_t field = 0;  // Its place among the fields that the spec reads.
    FieldType type;
    std::uint64_t seed = 0;  // hash_bytes(name, job's seed)
    IntegerHash hash{0};     // Of that seed.
};

// Parts by their place in FeaturePlan::columns, in order of name; `list` is the one that is a list.
struct PlannedCross {
    std::vector<std::uint32_t> parts;
    std::int32_t list = -1;
};

struct FeaturePlan {
    std::vector<PlannedColumn> columns;  // Standardized numbers first, then by name.
    std::vector<PlannedCross> crosses;
    std::uint32_t mask = 0;
    std::uint32_t list_items = 0;
    std::uint32_t scaled_columns = 0;
    bool has_values = false;
    bool has_lists = false;
};

}  // namespace millrace::ml
