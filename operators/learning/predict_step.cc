#include "operators/learning/predict_step.h"

#include <algorithm>

#include "operators/job_resources.h"
#include "operators/learning/model_plan.h"
#include "proto/job.pb.h"

namespace millrace::operators {
namespace {

constexpr std::size_t kAlignment = 64;

std::size_t rounded(std::size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// True when the model's learner gives the variance of its predictions.
Result<bool> knows_variance(const proto::Job& job, const std::string& model) {
    const proto::Model* found = find_model(job, model);
    if (found == nullptr) return fail(Code::kInvalidArgument, "no such model: {}", model);
    MILLRACE_TRY_ASSIGN(const auto learner, make_learner(*found));
    return learner->view_lanes() == ml::ServingView::Lanes::kMeanAndVariance;
}

Result<std::vector<std::size_t>> kept_columns(const proto::PredictStep& step,
                                              const data::Schema& input) {
    std::vector<std::size_t> kept;
    if (step.keep().empty()) {
        for (std::size_t i = 0; i < input.size(); ++i) {
            if (input.fields()[i].type.kind != data::Kind::kFeatures) kept.push_back(i);
        }
        return kept;
    }
    for (const std::string& name : step.keep()) {
        const auto column = input.index_of(name);
        if (!column)
            return fail(Code::kInvalidArgument, "a field to keep is not in the input: {}", name);
        kept.push_back(*column);
    }
    return kept;
}

Result<OutputSchemas> schemas(const OperatorRequest& request) {
    const proto::PredictStep& step = request.job.steps(request.declared).predict();
    const data::Schema& input = *request.inputs[0];
    MILLRACE_TRY_ASSIGN(const auto kept, kept_columns(step, input));
    std::vector<data::Field> fields;
    for (const std::size_t column : kept) fields.push_back(input.fields()[column]);
    for (const std::string& model : step.models()) {
        const std::string prefix = "predictions." + model + ".";
        fields.push_back({prefix + "score", {.kind = data::Kind::kFloat32}});
        MILLRACE_TRY_ASSIGN(const bool has_variance, knows_variance(request.job, model));
        if (has_variance) {
            fields.push_back({prefix + "variance", {.kind = data::Kind::kFloat32}});
        }
        fields.push_back({prefix + "version", {.kind = data::Kind::kInt64}});
    }
    MILLRACE_TRY_ASSIGN(auto schema, data::Schema::make(std::move(fields)));
    return OutputSchemas{.main = std::move(schema)};
}

// The values of features that a learner wants scaled.
std::size_t scaled_bytes(const SharedModel::Options& options) {
    return options.scaled_columns > 0 ? options.entries_max() * sizeof(float) : 0;
}

Result<std::vector<std::size_t>> scratch(const OperatorRequest& request) {
    std::size_t most = 0;
    for (const std::string& model : request.job.steps(request.declared).predict().models()) {
        MILLRACE_TRY_ASSIGN(const auto options, shared_model_options(request.job, model));
        most = std::max(most, scaled_bytes(options));
    }
    return std::vector<std::size_t>(most == 0 ? 0 : 1, most);
}

Result<std::unique_ptr<Operator>> make(const OperatorRequest& request, JobResources& resources) {
    const proto::PredictStep& step = request.job.steps(request.declared).predict();
    const data::Schema& input = *request.inputs[0];
    MILLRACE_TRY_ASSIGN(auto kept, kept_columns(step, input));
    MILLRACE_TRY_ASSIGN(auto output, schemas(request));
    std::vector<PredictStep::Target> targets;
    for (const std::string& name : step.models()) {
        MILLRACE_TRY_ASSIGN(const SharedModel* model, resources.model(name));
        MILLRACE_TRY_ASSIGN(const std::size_t column, features_column(request.job, name, input));
        MILLRACE_TRY_ASSIGN(const bool has_variance, knows_variance(request.job, name));
        targets.push_back(
            {.model = model, .features_column = column, .has_variance = has_variance});
    }
    return std::make_unique<PredictStep>(std::move(targets), std::move(kept),
                                         std::move(output.main));
}

}  // namespace

OperatorSpec PredictStep::spec() {
    return {.role = Role::kStep,
            .type = "predict",
            .doc = "Scores records with models.",
            .schemas = schemas,
            .make = make,
            .scratch = scratch};
}

PredictStep::PredictStep(std::vector<Target> targets, std::vector<std::size_t> kept,
                         data::SchemaPtr schema)
    : targets_(std::move(targets)), kept_(std::move(kept)), schema_(std::move(schema)) {}

Status PredictStep::open(OperatorContext& context) {
    context_ = &context;
    predictions_ =
        &context.metrics.counter("millrace_model_predictions_total", "Rows scored, once a model.");
    std::size_t scratch = 0;
    for (const Target& target : targets_)
        scratch = std::max(scratch, scaled_bytes(target.model->options()));
    if (scratch == 0) return {};
    MILLRACE_TRY_ASSIGN(scaled_values_, context.slot.allocate(context.owner, scratch));
    return {};
}

Result<Progress> PredictStep::process(const data::BatchPtr& batch, std::uint32_t, Output& output) {
    const std::size_t rows = batch->rows();
    std::size_t bytes = 0;
    for (const Target& target : targets_) {
        bytes += rounded(rows * sizeof(float)) * (target.has_variance ? 2 : 1) +
                 rounded(rows * sizeof(std::int64_t));
    }
    MILLRACE_TRY_ASSIGN(auto derived,
                        data::DerivedBatch::make(schema_, batch, context_->batches, bytes));
    std::size_t column = 0;
    for (const std::size_t kept : kept_) derived.borrow(column++, kept);
    for (const Target& target : targets_) {
        MILLRACE_TRY_ASSIGN(column, score(target, *batch, column, derived));
    }
    predictions_->add(rows * targets_.size());
    output.emit(std::move(derived).finish());
    return Progress::kDone;
}

Result<std::size_t> PredictStep::score(const Target& target, const data::Batch& batch,
                                       std::size_t column, data::DerivedBatch& derived) {
    const ml::ServingView& view = target.model->view();
    const data::Column& features = batch.column(target.features_column);
    ml::SparseRows rows{.row_count = static_cast<std::uint32_t>(batch.rows()),
                        .offsets = features.offsets,
                        .slots = features.as<std::uint32_t>(),
                        .values = features.weights};
    if (target.model->options().scaled_columns > 0 && rows.values != nullptr) {
        const std::span<float> scratch(reinterpret_cast<float*>(scaled_values_.data()),
                                       scaled_values_.size() / sizeof(float));
        view.scaler().transform(rows, scratch);
        rows.values = scratch.data();
    }
    const std::span<float> scores = derived.array<float>(batch.rows());
    const std::span<float> variances =
        target.has_variance ? derived.array<float>(batch.rows()) : std::span<float>();
    const std::span<std::int64_t> versions = derived.array<std::int64_t>(batch.rows());
    // The version that is complete before the first weight is read: the row knows at least this
    // much.
    std::fill(versions.begin(), versions.end(), static_cast<std::int64_t>(view.version()));
    target.model->learner().predict_rows(view, rows, scores, variances);
    derived.set(column++, {.values = reinterpret_cast<const std::byte*>(scores.data())});
    if (target.has_variance) {
        derived.set(column++, {.values = reinterpret_cast<const std::byte*>(variances.data())});
    }
    derived.set(column++, {.values = reinterpret_cast<const std::byte*>(versions.data())});
    return column;
}

void PredictStep::close() noexcept {
    scaled_values_ = {};
    context_ = nullptr;
}

}  // namespace millrace::operators
