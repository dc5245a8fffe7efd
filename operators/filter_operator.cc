#include "operators/filter_operator.h"

#include <bit>
#include <memory>
#include <span>
#include <utility>

#include "operators/expression/compiler.h"
#include "proto/job.pb.h"
#include "runtime/base/check.h"

namespace millrace::operators {
namespace {

// The condition of the requested node, checked against the fields of its input.
Result<ExpressionProgram> compile_where(const OperatorRequest& request) {
    const std::string& where = request.job.steps(request.declared).filter().where();
    MILLRACE_TRY_ASSIGN(auto program, compile_expression_of("where", where, *request.inputs[0]));
    if (program.kind != ValueKind::kBool)
        return fail(Code::kInvalidArgument,
                    "where must be bool, but is {}. Hint: compare it with something",
                    data::to_string(program.type));
    return program;
}

Result<OutputSchemas> schemas(const OperatorRequest& request) {
    MILLRACE_TRY(compile_where(request));
    return OutputSchemas{.main = request.inputs[0]};
}

Result<std::vector<std::size_t>> scratch(const OperatorRequest& request) {
    MILLRACE_TRY_ASSIGN(auto where, compile_where(request));
    return std::vector{ExpressionEvaluator(std::move(where)).scratch_bytes()};
}

Result<std::unique_ptr<Operator>> make(const OperatorRequest& request, JobResources&) {
    MILLRACE_TRY_ASSIGN(auto where, compile_where(request));
    return std::make_unique<FilterOperator>(std::move(where));
}

// Lists the rows whose bit is set, ascending.
std::span<const std::uint16_t> list_rows(std::span<const std::uint64_t, kRowWords> bits,
                                         std::span<std::uint16_t> rows) {
    std::size_t count = 0;
    for (std::size_t word = 0; word < bits.size(); ++word) {
        for (std::uint64_t left = bits[word]; left != 0; left &= left - 1) {
            const auto bit = static_cast<std::size_t>(std::countr_zero(left));
            rows[count++] = static_cast<std::uint16_t>(word * kRowsPerWord + bit);
        }
    }
    return rows.first(count);
}

}  // namespace

OperatorSpec FilterOperator::spec() {
    return {.role = Role::kStep,
            .type = "filter",
            .doc = "Keeps the records for which a condition is true.",
            .schemas = schemas,
            .make = make,
            .scratch = scratch};
}

FilterOperator::FilterOperator(ExpressionProgram where) : where_(std::move(where)) {
    MILLRACE_CHECK_EQ(where_.program().kind, ValueKind::kBool);
}

Status FilterOperator::open(OperatorContext& context) {
    context_ = &context;
    return where_.open(context.slot, context.owner);
}

Result<Progress> FilterOperator::process(const data::BatchPtr& batch, std::uint32_t,
                                         Output& output) {
    const auto kept = list_rows(where_.evaluate(*batch).is_true, kept_);
    if (kept.size() == batch->rows()) {
        output.emit(batch);
    } else if (!kept.empty()) {
        MILLRACE_TRY_ASSIGN(auto gathered, data::gather(batch, kept, context_->batches));
        output.emit(std::move(gathered));
    }
    return Progress::kDone;
}

void FilterOperator::close() noexcept {
    where_.close();
    context_ = nullptr;
}

}  // namespace millrace::operators
