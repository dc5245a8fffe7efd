#include "tests/operators/expression_row.h"

#include <limits>

#include <fmt/format.h>

#include "runtime/base/check.h"

namespace millrace::operators::test {

using data::Kind;

data::SchemaPtr row_schema() {
    return *data::Schema::make({{"i", {Kind::kInt32}},
                                {"j", {Kind::kInt64}},
                                {"f", {Kind::kFloat32}},
                                {"g", {Kind::kFloat64}},
                                {"yes", {Kind::kBool}},
                                {"no", {Kind::kBool}},
                                {"none", {Kind::kBool}},
                                {"t", {Kind::kString}},
                                {"u", {Kind::kString}},
                                {"raw", {Kind::kBytes}},
                                {"at", {Kind::kTimestampMs}},
                                {"ni", {Kind::kInt64}},
                                {"ng", {Kind::kFloat64}},
                                {"tags", {Kind::kList, Kind::kString}},
                                {"untagged", {Kind::kList, Kind::kInt64}},
                                {"max", {Kind::kInt64}},
                                {"min", {Kind::kInt64}},
                                {"predictions.m.score", {Kind::kFloat32}},
                                {"odd name", {Kind::kInt64}}});
}

std::string printed(const ExpressionProgram& program, const ExpressionValues& values,
                    std::size_t row) {
    if (!has_row(values.present, row)) return "null";
    switch (program.kind) {
        case ValueKind::kBool:
            return has_row(values.is_true, row) ? "true" : "false";
        case ValueKind::kFloat:
            return fmt::format("{}", values.as<double>()[row]);
        case ValueKind::kText:
        case ValueKind::kBytes:
            return fmt::format("'{}'", values.as<std::string_view>()[row]);
        case ValueKind::kList:
            return "list";
        default:
            return fmt::format("{}", values.as<std::int64_t>()[row]);
    }
}

ExpressionRow::ExpressionRow() {
    data::BatchBuilder builder(row_schema(), world_.batches());
    MILLRACE_CHECK(builder.begin().has_value());
    std::size_t column = 0;
    builder.set_int32(column++, 7);
    builder.set_int64(column++, -3);
    builder.set_float32(column++, 0.5F);
    builder.set_float64(column++, 2.5);
    builder.set_bool(column++, true);
    builder.set_bool(column++, false);
    ++column;
    MILLRACE_CHECK(builder.set_text(column++, "bot").has_value());
    ++column;
    MILLRACE_CHECK(builder.set_text(column++, "ab").has_value());
    builder.set_int64(column++, 1000);
    column += 2;
    builder.begin_list(column++);
    ++column;
    builder.set_int64(column++, std::numeric_limits<std::int64_t>::max());
    builder.set_int64(column++, std::numeric_limits<std::int64_t>::min());
    builder.set_float32(column++, 0.25F);
    builder.set_int64(column++, 9);
    builder.end_row({});
    batch_ = builder.finish();
}

std::string ExpressionRow::value(std::string_view text) {
    auto compiled = compile_expression(text, fields_of(*batch_->schema()));
    if (!compiled.program) return "fault: " + compiled.faults.front().message;
    ExpressionEvaluator evaluator(*std::move(compiled.program));
    MILLRACE_CHECK(evaluator.open(world_.slot(), world_.owner()).has_value());
    return printed(evaluator.program(), evaluator.evaluate(*batch_), 0);
}

std::vector<ExpressionField> fields_of(const data::Schema& schema) {
    std::vector<ExpressionField> fields;
    for (const data::Field& field : schema.fields()) fields.push_back({field.name, field.type});
    return fields;
}

}  // namespace millrace::operators::test
