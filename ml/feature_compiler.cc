#include "ml/feature_compiler.h"

#include <algorithm>

#include "ml/feature_block.h"
#include "runtime/base/check.h"

namespace millrace::ml {
namespace {

bool is_numeric(ColumnKind kind) {
    return kind != ColumnKind::kString && kind != ColumnKind::kList;
}

Status check_type(const FeatureColumn& column, FieldType type) {
    if (column.kind == FeatureKind::kHashedList) {
        if (type.kind == ColumnKind::kList && type.item != ColumnKind::kList) return {};
        return fail(Code::kInvalidOption, "hashed_list reads a list, field {} is none",
                    column.field());
    }
    if (type.kind == ColumnKind::kList) {
        return fail(Code::kInvalidOption, "field {} is a list. Hint: use hashed_list",
                    column.field());
    }
    if (column.take != Take::kValue && type.kind != ColumnKind::kTimestamp) {
        return fail(Code::kInvalidOption, "take reads a timestamp, field {} is none",
                    column.field());
    }
    if (column.kind != FeatureKind::kHashed && !is_numeric(type.kind)) {
        return fail(Code::kInvalidOption, "number and buckets read a number, field {} is none",
                    column.field());
    }
    return {};
}

// Standardized numbers first, then by name.
bool goes_before(const FeatureColumn& a, const FeatureColumn& b) {
    if (a.scale != b.scale) return a.scale == Scale::kStandardize;
    return a.name < b.name;
}

// Items that a list column gives in these rows at most.
std::size_t items_max(const ColumnView& view, std::uint32_t rows, std::uint32_t per_row) {
    const std::int32_t* offsets = view.offsets + view.first;
    const auto all = static_cast<std::size_t>(offsets[rows] - offsets[0]);
    return std::min(all, std::size_t{rows} * per_row);
}

}  // namespace

std::vector<std::string> FeatureCompiler::fields_of(const FeatureSpec& spec) {
    std::vector<std::string> fields;
    fields.reserve(spec.columns.size());
    for (const FeatureColumn& column : spec.columns) fields.push_back(column.field());
    std::ranges::sort(fields);
    const auto repeated = std::ranges::unique(fields);
    fields.erase(repeated.begin(), repeated.end());
    return fields;
}

Result<FeatureCompiler> FeatureCompiler::create(const FeatureSpec& spec,
                                                std::span<const FieldType> types) {
    MILLRACE_TRY(spec.validate());
    FeatureCompiler compiler;
    compiler.fields_ = fields_of(spec);
    MILLRACE_CHECK_EQ(compiler.fields_.size(), types.size());
    compiler.bits_ = spec.bits;
    compiler.plan_.mask = static_cast<std::uint32_t>((std::uint64_t{1} << spec.bits) - 1);
    compiler.plan_.list_items = spec.list_items;
    compiler.schema_hash_ = spec.hash();
    MILLRACE_TRY(compiler.bind_columns(spec, types));
    compiler.bind_crosses(spec);
    compiler.count_entries();
    return compiler;
}

Status FeatureCompiler::bind_columns(const FeatureSpec& spec, std::span<const FieldType> types) {
    std::vector<FeatureColumn> declared = spec.columns;
    std::ranges::sort(declared, goes_before);
    for (FeatureColumn& one : declared) {
        const auto field = std::ranges::lower_bound(fields_, one.field()) - fields_.begin();
        PlannedColumn column;
        column.field = static_cast<std::uint32_t>(field);
        column.type = types[column.field];
        MILLRACE_TRY(check_type(one, column.type));
        column.seed = hash_bytes(one.name, spec.seed);
        column.hash = IntegerHash(column.seed);
        plan_.has_values = plan_.has_values || one.kind == FeatureKind::kNumber;
        plan_.has_lists = plan_.has_lists || one.kind == FeatureKind::kHashedList;
        plan_.scaled_columns += static_cast<std::uint32_t>(one.scale == Scale::kStandardize);
        column.declared = std::move(one);
        plan_.columns.push_back(std::move(column));
    }
    return {};
}

void FeatureCompiler::bind_crosses(const FeatureSpec& spec) {
    std::vector<std::vector<std::string>> declared = spec.crosses;
    for (std::vector<std::string>& names : declared) std::ranges::sort(names);
    std::ranges::sort(declared);
    for (const std::vector<std::string>& names : declared) {
        PlannedCross cross;
        for (const std::string& name : names) {
            const auto at = std::ranges::find_if(plan_.columns, [&](const PlannedColumn& column) {
                return column.declared.name == name;
            });
            const auto place = static_cast<std::uint32_t>(at - plan_.columns.begin());
            if (at->declared.kind == FeatureKind::kHashedList) {
                cross.list = static_cast<std::int32_t>(place);
            }
            cross.parts.push_back(place);
        }
        plan_.crosses.push_back(std::move(cross));
    }
}

void FeatureCompiler::count_entries() {
    std::size_t lists = 0;
    for (const PlannedColumn& column : plan_.columns) {
        lists += static_cast<std::size_t>(column.declared.kind == FeatureKind::kHashedList);
    }
    for (const PlannedCross& cross : plan_.crosses)
        lists += static_cast<std::size_t>(cross.list >= 0);
    entries_per_row_usual_ = 1 + plan_.columns.size() + plan_.crosses.size();
    entries_per_row_max_ = entries_per_row_usual_ - lists + lists * plan_.list_items;
}

std::size_t FeatureCompiler::scratch_words() const {
    return FeatureBlock::scratch_words(plan_.columns.size(), plan_.crosses.size());
}

std::size_t FeatureCompiler::entries_max(std::span<const ColumnView> columns,
                                         std::uint32_t row_count) const {
    std::size_t entries = row_count;  // The constant feature.
    const auto add = [&](std::int32_t list) {
        entries += list < 0
                       ? row_count
                       : items_max(columns[plan_.columns[static_cast<std::size_t>(list)].field],
                                   row_count, plan_.list_items);
    };
    for (std::size_t i = 0; i < plan_.columns.size(); ++i) {
        const bool list = plan_.columns[i].declared.kind == FeatureKind::kHashedList;
        add(list ? static_cast<std::int32_t>(i) : -1);
    }
    for (const PlannedCross& cross : plan_.crosses) add(cross.list);
    return entries;
}

CompileCounts FeatureCompiler::compile(std::span<const ColumnView> columns, std::uint32_t row_count,
                                       const CompiledRows& out,
                                       std::span<std::uint64_t> scratch) const {
    MILLRACE_CHECK_EQ(columns.size(), fields_.size());
    MILLRACE_CHECK_GT(out.offsets.size(), row_count);
    MILLRACE_CHECK_GE(out.slots.size(), entries_max(columns, row_count));
    MILLRACE_CHECK(!plan_.has_values || out.values.size() >= out.slots.size());
    MILLRACE_CHECK_GE(scratch.size(), scratch_words());
    for (std::size_t i = 0; i < plan_.columns.size(); ++i) {
        MILLRACE_CHECK_EQ(columns[plan_.columns[i].field].kind, plan_.columns[i].type.kind);
    }
    CompileCounts counts;
    out.offsets[0] = 0;
    FeatureBlock block(plan_, columns, out, scratch);
    for (std::uint32_t first = 0; first < row_count; first += FeatureBlock::kRows) {
        block.compile(first, std::min(FeatureBlock::kRows, row_count - first), counts);
    }
    return counts;
}

}  // namespace millrace::ml
