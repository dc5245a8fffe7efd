#include "operators/format/decode_rules.h"

#include <algorithm>

namespace millrace::operators {
namespace {

bool is_label_kind(data::Kind kind) {
    return kind == data::Kind::kBool || kind == data::Kind::kInt32 || kind == data::Kind::kInt64 ||
           kind == data::Kind::kFloat32 || kind == data::Kind::kFloat64;
}

}  // namespace

Result<CompiledRules> CompiledRules::compile(const data::Schema& schema, const DecodeRules& rules) {
    CompiledRules compiled;
    const auto add = [&](const std::string& name, bool is_label, bool is_binary) -> Status {
        const auto index = schema.index_of(name);
        if (!index) {
            return fail(Code::kInvalidArgument, "the schema has no field `{}`: {}", name,
                        schema.to_string());
        }
        const data::Kind kind = schema.fields()[*index].type.kind;
        if (is_label && !is_label_kind(kind)) {
            return fail(Code::kInvalidArgument, "the label `{}` must be bool or a number, not {}",
                        name, data::to_string(schema.fields()[*index].type));
        }
        compiled.columns_.push_back({*index, kind, name, is_label, is_binary});
        compiled.never_null_.push_back(*index);
        compiled.has_binary_labels_ |= is_label && is_binary && kind != data::Kind::kBool;
        return {};
    };
    for (const DecodeRules::Label& label : rules.labels) {
        MILLRACE_TRY(add(label.column, true, label.is_binary));
    }
    for (const std::string& name : rules.required) {
        MILLRACE_TRY(add(name, false, false));
    }
    std::ranges::sort(compiled.never_null_);
    return compiled;
}

bool CompiledRules::is_zero_or_one(const Column& column, const data::BatchBuilder& row) {
    const auto check = [&]<class T>(T value) {
        value = row.current_value<T>(column.index);
        return value == T{0} || value == T{1};
    };
    switch (column.kind) {
        case data::Kind::kInt32:
            return check(std::int32_t{});
        case data::Kind::kInt64:
            return check(std::int64_t{});
        case data::Kind::kFloat32:
            return check(float{});
        case data::Kind::kFloat64:
            return check(double{});
        default:
            return true;
    }
}

bool CompiledRules::labels_are_sound(const data::BatchBuilder& row) const {
    if (!has_binary_labels_) {
        return true;
    }
    return std::ranges::all_of(columns_, [&](const Column& column) {
        return !column.is_binary || is_zero_or_one(column, row);
    });
}

std::optional<DecodeError> CompiledRules::check(const data::BatchBuilder& row) const {
    for (const Column& column : columns_) {
        if (!row.is_present(column.index)) {
            return column.is_label
                       ? DecodeError{"null_label", "The label is missing or null.", column.name}
                       : DecodeError{"null_field", "A required field is missing or null.",
                                     column.name};
        }
        if (column.is_binary && !is_zero_or_one(column, row)) {
            return DecodeError{"bad_label", "The label is neither 0 nor 1.", column.name};
        }
    }
    return std::nullopt;
}

}  // namespace millrace::operators
