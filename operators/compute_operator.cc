#include "operators/compute_operator.h"

#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "operators/expression/compiler.h"
#include "operators/expression/values_column.h"
#include "proto/job.pb.h"
#include "runtime/base/check.h"

namespace millrace::operators {
namespace {

struct Plan {
    std::vector<ExpressionProgram> added;
    data::SchemaPtr schema;
};

Result<Plan> plan(const OperatorRequest& request) {
    const data::Schema& input = *request.inputs[0];
    std::vector<data::Field> fields(input.fields().begin(), input.fields().end());
    Plan plan;
    for (const proto::Assignment& entry : request.job.steps(request.declared).compute().set()) {
        if (input.index_of(entry.name()))
            return fail(Code::kInvalidArgument,
                        "the input has this field already: {}. Hint: choose a new name",
                        entry.name());
        const std::string key = fmt::format("set.{}", entry.name());
        MILLRACE_TRY_ASSIGN(auto program, compile_expression_of(key, entry.expression(), input));
        fields.push_back({entry.name(), program.type});
        plan.added.push_back(std::move(program));
    }
    MILLRACE_TRY_ASSIGN(plan.schema, data::Schema::make(std::move(fields)));
    return plan;
}

Result<OutputSchemas> schemas(const OperatorRequest& request) {
    MILLRACE_TRY_ASSIGN(auto planned, plan(request));
    return OutputSchemas{.main = std::move(planned.schema)};
}

Result<std::vector<std::size_t>> scratch(const OperatorRequest& request) {
    MILLRACE_TRY_ASSIGN(auto planned, plan(request));
    std::vector<std::size_t> segments;
    for (ExpressionProgram& program : planned.added) {
        if (!program.field)
            segments.push_back(ExpressionEvaluator(std::move(program)).scratch_bytes());
    }
    return segments;
}

Result<std::unique_ptr<Operator>> make(const OperatorRequest& request, JobResources&) {
    MILLRACE_TRY_ASSIGN(auto planned, plan(request));
    return std::make_unique<ComputeOperator>(std::move(planned.added), std::move(planned.schema));
}

}  // namespace

OperatorSpec ComputeOperator::spec() {
    return {.role = Role::kStep,
            .type = "compute",
            .doc = "Adds fields to each record.",
            .schemas = schemas,
            .make = make,
            .scratch = scratch};
}

ComputeOperator::ComputeOperator(std::vector<ExpressionProgram> added, data::SchemaPtr schema)
    : schema_(std::move(schema)) {
    MILLRACE_CHECK_LE(added.size(), schema_->size());
    added_.reserve(added.size());
    for (ExpressionProgram& program : added) added_.emplace_back(std::move(program));
    values_.reserve(added_.size());
}

Status ComputeOperator::open(OperatorContext& context) {
    context_ = &context;
    for (ExpressionEvaluator& added : added_) {
        if (!added.program().field) MILLRACE_TRY(added.open(context.slot, context.owner));
    }
    return {};
}

Result<Progress> ComputeOperator::process(const data::BatchPtr& batch, std::uint32_t,
                                          Output& output) {
    const std::size_t rows = batch->rows();
    std::size_t bytes = 0;
    values_.clear();
    for (ExpressionEvaluator& added : added_) {
        if (added.program().field) continue;
        values_.push_back(added.evaluate(*batch));
        bytes += bytes_of_values(added.program().kind, values_.back(), rows);
    }
    MILLRACE_TRY_ASSIGN(auto derived,
                        data::DerivedBatch::make(schema_, batch, context_->batches, bytes));
    std::size_t column = 0;
    for (; column < batch->columns().size(); ++column) derived.borrow(column, column);
    auto computed = values_.begin();
    for (const ExpressionEvaluator& added : added_) {
        if (added.program().field) {
            derived.borrow(column++, *added.program().field);
        } else {
            write_values(added.program().kind, *computed++, rows, column++, derived);
        }
    }
    output.emit(std::move(derived).finish());
    return Progress::kDone;
}

void ComputeOperator::close() noexcept {
    for (ExpressionEvaluator& added : added_) added.close();
    context_ = nullptr;
}

}  // namespace millrace::operators
