#include "operators/learning/features_step.h"

#include <algorithm>

#include "operators/learning/model_plan.h"
#include "proto/job.pb.h"

namespace millrace::operators {
namespace {

constexpr std::size_t kAlignment = 64;

std::size_t rounded(std::size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

Result<ml::ColumnKind> column_kind(data::Kind kind, std::string_view field) {
    switch (kind) {
        case data::Kind::kBool:
            return ml::ColumnKind::kBool;
        case data::Kind::kInt32:
            return ml::ColumnKind::kInt32;
        case data::Kind::kInt64:
            return ml::ColumnKind::kInt64;
        case data::Kind::kFloat32:
            return ml::ColumnKind::kFloat32;
        case data::Kind::kFloat64:
            return ml::ColumnKind::kFloat64;
        case data::Kind::kString:
        case data::Kind::kBytes:
            return ml::ColumnKind::kString;
        case data::Kind::kTimestampMs:
            return ml::ColumnKind::kTimestamp;
        case data::Kind::kList:
            return ml::ColumnKind::kList;
        case data::Kind::kFeatures:
            break;
    }
    return fail(Code::kInvalidArgument, "a field of this type cannot be a feature: {}", field);
}

Result<FeaturesStep::Set> make_set(const proto::Job& job, const std::string& name,
                                   const data::Schema& input) {
    const proto::Features* features = find_features(job, name);
    if (features == nullptr) return fail(Code::kInvalidArgument, "no such features: {}", name);
    MILLRACE_TRY_ASSIGN(const ml::FeatureSpec spec, make_feature_spec(*features));
    std::vector<ml::FieldType> types;
    std::vector<std::size_t> columns;
    for (const std::string& field : ml::FeatureCompiler::fields_of(spec)) {
        const auto column = input.index_of(field);
        if (!column)
            return fail(Code::kInvalidArgument, "features {} read a field that is not there: {}",
                        name, field);
        const data::Type type = input.fields()[*column].type;
        ml::FieldType made;
        MILLRACE_TRY_ASSIGN(made.kind, column_kind(type.kind, field));
        if (type.kind == data::Kind::kList) {
            MILLRACE_TRY_ASSIGN(made.item, column_kind(type.element, field));
        }
        types.push_back(made);
        columns.push_back(*column);
    }
    auto compiler = ml::FeatureCompiler::create(spec, types);
    if (!compiler)
        return std::unexpected(std::move(compiler).error().with_context("features " + name));
    return FeaturesStep::Set{.compiler = std::move(*compiler), .columns = std::move(columns)};
}

Result<OutputSchemas> schemas(const OperatorRequest& request) {
    const data::Schema& input = *request.inputs[0];
    std::vector<data::Field> fields(input.fields().begin(), input.fields().end());
    for (const std::string& set : request.feature_sets) {
        fields.push_back({features_field(set), {.kind = data::Kind::kFeatures}});
    }
    MILLRACE_TRY_ASSIGN(auto schema, data::Schema::make(std::move(fields)));
    return OutputSchemas{.main = std::move(schema)};
}

Result<std::vector<std::size_t>> scratch(const OperatorRequest& request) {
    std::size_t words = 0;
    for (const std::string& name : request.feature_sets) {
        MILLRACE_TRY_ASSIGN(const auto set, make_set(request.job, name, *request.inputs[0]));
        words = std::max(words, set.compiler.scratch_words());
    }
    return std::vector<std::size_t>(words == 0 ? 0 : 1, words * sizeof(std::uint64_t));
}

Result<std::unique_ptr<Operator>> make(const OperatorRequest& request, JobResources&) {
    std::vector<FeaturesStep::Set> sets;
    for (const std::string& name : request.feature_sets) {
        MILLRACE_TRY_ASSIGN(auto set, make_set(request.job, name, *request.inputs[0]));
        sets.push_back(std::move(set));
    }
    MILLRACE_TRY_ASSIGN(auto output, schemas(request));
    return std::make_unique<FeaturesStep>(std::move(sets), std::move(output.main));
}

// Lists carry their elements in `values` and, for text, offsets of their own behind the batch's;
// the compiler reads both through a child view.
ml::ColumnView view_of(const data::Column& column, data::Type type) {
    ml::ColumnView view;
    view.kind = *column_kind(type.kind, "");
    view.validity = column.validity;
    view.values = column.values;
    view.offsets = column.offsets;
    return view;
}

}  // namespace

OperatorSpec FeaturesStep::spec() {
    return {.role = Role::kFeatures,
            .type = "features",
            .doc = "Compiles records into sparse feature vectors.",
            .schemas = schemas,
            .make = make,
            .scratch = scratch};
}

FeaturesStep::FeaturesStep(std::vector<Set> sets, data::SchemaPtr schema)
    : sets_(std::move(sets)), schema_(std::move(schema)) {}

Status FeaturesStep::open(OperatorContext& context) {
    context_ = &context;
    items_dropped_ =
        &context.metrics.counter("millrace_feature_items_dropped_total",
                                 "Items of lists beyond `list_items` of their features.");
    std::size_t words = 0;
    std::size_t columns = 0;
    for (const Set& set : sets_) {
        words = std::max(words, set.compiler.scratch_words());
        columns = std::max(columns, set.columns.size());
    }
    views_.resize(columns);
    childs_.resize(columns);
    entries_.resize(sets_.size());
    if (words == 0) return {};
    MILLRACE_TRY_ASSIGN(scratch_,
                        context.slot.allocate(context.owner, words * sizeof(std::uint64_t)));
    return {};
}

void FeaturesStep::view_columns(const Set& set, const data::Batch& batch) {
    for (std::size_t i = 0; i < set.columns.size(); ++i) {
        const data::Column& column = batch.column(set.columns[i]);
        const data::Type type = schema_->fields()[set.columns[i]].type;
        views_[i] = view_of(column, type);
        if (type.kind != data::Kind::kList) continue;
        childs_[i] = {};
        childs_[i].kind = *column_kind(type.element, "");
        childs_[i].values = column.values;
        childs_[i].offsets = column.element_offsets;
        views_[i].child = &childs_[i];
    }
}

Result<Progress> FeaturesStep::process(const data::BatchPtr& batch, std::uint32_t, Output& output) {
    const auto rows = static_cast<std::uint32_t>(batch->rows());
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < sets_.size(); ++i) {
        view_columns(sets_[i], *batch);
        entries_[i] = sets_[i].compiler.entries_max({views_.data(), sets_[i].columns.size()}, rows);
        bytes += rounded((rows + 1) * sizeof(std::int32_t)) +
                 rounded(entries_[i] * sizeof(std::uint32_t));
        if (sets_[i].compiler.has_values()) bytes += rounded(entries_[i] * sizeof(float));
    }
    MILLRACE_TRY_ASSIGN(auto derived,
                        data::DerivedBatch::make(schema_, batch, context_->batches, bytes));
    const std::size_t fields = batch->columns().size();
    for (std::size_t column = 0; column < fields; ++column) derived.borrow(column, column);
    for (std::size_t i = 0; i < sets_.size(); ++i) {
        derived.set(fields + i, compile(sets_[i], *batch, entries_[i], derived));
    }
    output.emit(std::move(derived).finish());
    return Progress::kDone;
}

data::Column FeaturesStep::compile(const Set& set, const data::Batch& batch, std::size_t entries,
                                   data::DerivedBatch& derived) {
    view_columns(set, batch);
    const ml::CompiledRows out{
        .offsets = derived.array<std::int32_t>(batch.rows() + 1),
        .slots = derived.array<std::uint32_t>(entries),
        .values = set.compiler.has_values() ? derived.array<float>(entries) : std::span<float>()};
    const std::span<std::uint64_t> scratch(reinterpret_cast<std::uint64_t*>(scratch_.data()),
                                           scratch_.size() / sizeof(std::uint64_t));
    const ml::CompileCounts counts =
        set.compiler.compile({views_.data(), set.columns.size()},
                             static_cast<std::uint32_t>(batch.rows()), out, scratch);
    items_dropped_->add(counts.list_items_dropped);
    return {.values = reinterpret_cast<const std::byte*>(out.slots.data()),
            .offsets = out.offsets.data(),
            .weights = out.values.empty() ? nullptr : out.values.data()};
}

void FeaturesStep::close() noexcept {
    scratch_ = {};
    context_ = nullptr;
}

}  // namespace millrace::operators
