#include "runtime/process/expression_adapter.h"

#include <optional>
#include <utility>
#include <vector>

#include "operators/expression/compiler.h"
#include "runtime/config/suggestion.h"
#include "runtime/data/type.h"

namespace millrace::process {
namespace {

using data::Kind;
using jobfile::ValueType;

constexpr std::pair<ValueType, Kind> kTypes[] = {
    {ValueType::kBool, Kind::kBool},       {ValueType::kInt32, Kind::kInt32},
    {ValueType::kInt64, Kind::kInt64},     {ValueType::kFloat32, Kind::kFloat32},
    {ValueType::kFloat64, Kind::kFloat64}, {ValueType::kString, Kind::kString},
    {ValueType::kBytes, Kind::kBytes},     {ValueType::kTimestampMs, Kind::kTimestampMs},
};

std::optional<data::Type> type_of(const jobfile::ShapeField& field) {
    for (const auto& [type, kind] : kTypes) {
        if (type != field.type) continue;
        return field.list ? data::Type{Kind::kList, kind} : data::Type{kind};
    }
    return std::nullopt;
}

ValueType type_of(Kind kind) {
    for (const auto& [type, known] : kTypes)
        if (known == kind) return type;
    return ValueType::kUnknown;
}

}  // namespace

jobfile::CheckedExpression ExpressionAdapter::check(std::string_view text,
                                                    const jobfile::RecordShape& input) const {
    std::vector<operators::ExpressionField> fields;
    for (const jobfile::ShapeField& field : input.fields)
        fields.push_back({field.name, type_of(field)});
    auto compiled = operators::compile_expression(text, fields, config::suggestion);
    jobfile::CheckedExpression checked;
    for (operators::ExpressionFault& fault : compiled.faults)
        checked.faults.push_back({.offset = fault.place.offset,
                                  .length = fault.place.length,
                                  .message = std::move(fault.message),
                                  .fix = std::move(fault.fix)});
    if (!compiled.program) return checked;
    const data::Type type = compiled.program->type;
    checked.list = type.kind == Kind::kList;
    checked.type = type_of(checked.list ? type.element : type.kind);
    return checked;
}

}  // namespace millrace::process
