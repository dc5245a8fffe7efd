#include "operators/learning/evaluate_source.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>

#include "operators/job_resources.h"
#include "proto/job.pb.h"
#include "runtime/base/check.h"

namespace millrace::operators {
namespace {

// The columns of a quality record, in this order.
enum Quality : std::size_t {
    kModel,
    kRows,
    kRowsTotal,
    kLogloss,
    kLoglossBaseline,
    kAuc,
    kCalibration,
    kNormalizedEntropy,
};
enum Audit : std::size_t { kId, kAuditModel, kScore, kLabel };

constexpr std::uint8_t kVersion = 1;

// What a snapshot holds of one model's window: a version, and this as it lies in memory.
struct WindowState {
    std::uint64_t rows = 0;
    std::int64_t windows = 0;
    std::uint64_t is_ended = 0;
    ml::BinaryMetrics window;
};
static_assert(std::is_trivially_copyable_v<WindowState>);
// No padding: equal states are equal bytes.
static_assert(sizeof(WindowState) == (8 + 2 * ml::BinaryMetrics::kBins) * sizeof(double));

// Names of models have letters that names of sections must not have.
std::string section_of(std::int32_t number) { return "window." + std::to_string(number); }

Result<data::SchemaPtr> quality_schema() {
    return data::Schema::make({{"model", {.kind = data::Kind::kString}},
                               {"rows", {.kind = data::Kind::kInt64}},
                               {"rows_total", {.kind = data::Kind::kInt64}},
                               {"logloss", {.kind = data::Kind::kFloat64}},
                               {"logloss_baseline", {.kind = data::Kind::kFloat64}},
                               {"auc", {.kind = data::Kind::kFloat64}},
                               {"calibration", {.kind = data::Kind::kFloat64}},
                               {"normalized_entropy", {.kind = data::Kind::kFloat64}}});
}

Result<data::SchemaPtr> audit_schema(const data::Schema& input, const std::string& field) {
    const auto column = input.index_of(field);
    if (!column)
        return fail(Code::kInvalidArgument, "the audit field is not in the input: {}", field);
    const data::Type type = input.fields()[*column].type;
    const bool fits = type.kind == data::Kind::kString || type.kind == data::Kind::kInt64 ||
                      type.kind == data::Kind::kInt32;
    if (!fits) {
        return fail(Code::kInvalidArgument,
                    "an audit field is a string, int32 or int64, not {}: {}", to_string(type),
                    field);
    }
    return data::Schema::make({{"id", type},
                               {"model", {.kind = data::Kind::kString}},
                               {"score", {.kind = data::Kind::kFloat32}},
                               {"label", {.kind = data::Kind::kFloat32}}});
}

Result<OutputSchemas> schemas(const OperatorRequest& request) {
    const proto::EvaluateStep& step = request.job.steps(request.declared).evaluate();
    OutputSchemas made;
    MILLRACE_TRY_ASSIGN(made.main, quality_schema());
    if (step.has_audit()) {
        MILLRACE_TRY_ASSIGN(made.side, audit_schema(*request.inputs[0], step.audit()));
    }
    return made;
}

Result<std::unique_ptr<Operator>> make(const OperatorRequest& request, JobResources& resources) {
    const proto::EvaluateStep& step = request.job.steps(request.declared).evaluate();
    MILLRACE_TRY_ASSIGN(const OutputSchemas made, schemas(request));
    std::vector<SharedModel*> models;
    for (const std::string& name : step.models()) {
        MILLRACE_TRY_ASSIGN(SharedModel * model, resources.model(name));
        models.push_back(model);
    }
    EvaluateSource::Options options{.window_rows = static_cast<std::uint64_t>(step.window_rows()),
                                    .quality = made.main,
                                    .audit = made.side};
    if (made.side) options.audit_column = *request.inputs[0]->index_of(step.audit());
    return std::make_unique<EvaluateSource>(std::move(models), std::move(options));
}

}  // namespace

OperatorSpec EvaluateSource::spec() {
    return {.role = Role::kStep,
            .type = "evaluate",
            .doc = "Measures models by the scores that rows got before they were learned.",
            .schemas = schemas,
            .make = make};
}

EvaluateSource::EvaluateSource(std::vector<SharedModel*> models, Options options)
    : watched_(models.size()), options_(std::move(options)) {
    for (std::size_t i = 0; i < models.size(); ++i) {
        watched_[i].model = models[i];
        watched_[i].split = static_cast<std::int32_t>(i);
    }
}

Status EvaluateSource::open(OperatorContext& context) {
    context_ = &context;
    for (Watched& watched : watched_) {
        watched.model->attach_evaluator(context.waker);
        const metrics::Labels labels{{"model", watched.model->options().name}};
        const auto gauge = [&](std::string_view name, std::string_view help) {
            metrics::Gauge& made = context.metrics.gauge(name, help, labels);
            made.set(std::nan(""));
            return &made;
        };
        watched.logloss =
            gauge("millrace_model_logloss", "Progressive log loss of the last window.");
        watched.logloss_baseline = gauge("millrace_model_logloss_baseline",
                                         "Log loss of always predicting the window's rate.");
        watched.auc = gauge("millrace_model_auc", "Area under the ROC curve of the last window.");
        watched.calibration = gauge("millrace_model_calibration_ratio",
                                    "Sum of scores over sum of labels of the last window.");
        watched.normalized_entropy = gauge("millrace_model_normalized_entropy",
                                           "Log loss over baseline of the last window.");
    }
    quality_.emplace(options_.quality, context.batches);
    if (options_.audit) audit_.emplace(options_.audit, context.batches);
    return {};
}

Result<Progress> EvaluateSource::snapshot(std::uint64_t, state::SnapshotWriter& writer) {
    const std::byte version{kVersion};
    for (const Watched& watched : watched_) {
        const WindowState state{.rows = watched.rows,
                                .windows = watched.windows,
                                .is_ended = watched.is_ended ? 1U : 0U,
                                .window = watched.window};
        const std::string section = section_of(watched.split);
        MILLRACE_TRY(writer.write(section, std::span(&version, 1)));
        MILLRACE_TRY(writer.write(section, std::as_bytes(std::span(&state, 1))));
    }
    return Progress::kDone;
}

Status EvaluateSource::restore(state::SnapshotReader& reader) {
    for (Watched& watched : watched_) {
        MILLRACE_TRY_ASSIGN(const auto bytes, reader.read(section_of(watched.split)));
        WindowState state;
        if (bytes.size() != 1 + sizeof state || std::to_integer<std::uint8_t>(bytes[0]) != kVersion)
            return fail(Code::kCorruption, "the window of model {} cannot be read from a snapshot",
                        watched.model->options().name);
        std::memcpy(&state, bytes.data() + 1, sizeof state);
        watched.rows = state.rows;
        watched.windows = state.windows;
        watched.is_ended = state.is_ended != 0;
        watched.window = state.window;
    }
    return {};
}

Status EvaluateSource::add_splits(std::span<const Split> splits) {
    MILLRACE_CHECK(splits.empty());
    return {};
}

Result<Progress> EvaluateSource::poll(Output& output) {
    if (left_.empty()) take_turn();
    if (!left_.empty()) {
        MILLRACE_TRY(count_some());
        flush(output);
        return Progress::kYield;
    }
    MILLRACE_TRY_ASSIGN(const bool ended, end_windows());
    flush(output);
    return ended ? Progress::kEnd : Progress::kDone;
}

void EvaluateSource::take_turn() {
    for (std::size_t i = 0; i < watched_.size() && left_.empty(); ++i) {
        turn_ = (turn_ + 1) % watched_.size();
        left_ = std::span(runs_).first(watched_[turn_].model->take_scored(runs_));
    }
}

Result<bool> EvaluateSource::end_windows() {
    bool all = true;
    for (Watched& watched : watched_) {
        if (!watched.is_ended && watched.model->is_scored_out()) {
            watched.is_ended = true;
            if (watched.window.rows() > 0) MILLRACE_TRY(close_window(watched));
        }
        all = all && watched.is_ended;
    }
    return all;
}

Status EvaluateSource::count_some() {
    SharedModel& model = *watched_[turn_].model;
    for (std::size_t rows = 0; !left_.empty() && rows < kRowsPerCall && !is_full();) {
        SharedModel::ScoredRun& run = left_.front();
        SharedModel::ScoredRun counted = run;
        counted.count = 0;
        while (counted.count < run.count && !is_full()) {
            MILLRACE_TRY(count(model.item(run.item), std::size_t{run.first_row} + counted.count));
            ++counted.count;
        }
        rows += counted.count;
        run.first_row = static_cast<std::uint16_t>(run.first_row + counted.count);
        run.count = static_cast<std::uint16_t>(run.count - counted.count);
        model.give_back(std::span(&counted, 1));
        if (run.count == 0) left_ = left_.subspan(1);
    }
    return {};
}

Status EvaluateSource::count(const SharedModel::WorkItem& item, std::size_t row) {
    if (std::isnan(item.scores[row])) return {};  // The table skipped it.
    Watched& watched = watched_[turn_];
    watched.window.add(static_cast<double>(item.scores[row]),
                       static_cast<double>(item.labels[row]));
    ++watched.rows;
    if (audit_) MILLRACE_TRY(audit(watched, item, row));
    return watched.window.rows() == options_.window_rows ? close_window(watched) : Status{};
}

// One batch of each output a call at most.
bool EvaluateSource::is_full() const {
    return (quality_->has_begun() && quality_->is_full()) ||
           (audit_ && audit_->has_begun() && audit_->is_full());
}

Status EvaluateSource::close_window(Watched& watched) {
    const ml::MetricsReport report = ml::report_of(watched.window);
    const std::optional<double> baseline = watched.window.entropy();
    watched.window.reset();
    MILLRACE_TRY(quality_->begin());
    MILLRACE_TRY(quality_->set_text(kModel, watched.model->options().name));
    quality_->set_int64(kRows, static_cast<std::int64_t>(report.rows));
    quality_->set_int64(kRowsTotal, static_cast<std::int64_t>(watched.rows));
    const auto write = [&](std::size_t column, std::optional<double> value) {
        if (value) quality_->set_float64(column, *value);
    };
    write(kLogloss, report.log_loss);
    write(kLoglossBaseline, baseline);
    write(kAuc, report.auc);
    write(kCalibration, report.calibration);
    write(kNormalizedEntropy, report.normalized_entropy);
    quality_->end_row({.split = watched.split, .ordinal = watched.windows++, .timestamp_ms = 0});
    watched.logloss_baseline->set(baseline.value_or(std::nan("")));
    watched.model->set_quality(report, baseline);
    show(watched, report);
    return {};
}

void EvaluateSource::show(Watched& watched, const ml::MetricsReport& report) {
    const double absent = std::nan("");
    watched.logloss->set(report.log_loss.value_or(absent));
    watched.auc->set(report.auc.value_or(absent));
    watched.calibration->set(report.calibration.value_or(absent));
    watched.normalized_entropy->set(report.normalized_entropy.value_or(absent));
}

Status EvaluateSource::audit(const Watched& watched, const SharedModel::WorkItem& item,
                             std::size_t row) {
    MILLRACE_TRY(audit_->begin());
    const data::Column& ids = item.batch->column(options_.audit_column);
    const data::Kind kind = options_.audit->fields()[kId].type.kind;
    if (!ids.is_null(row)) {
        if (kind == data::Kind::kString) MILLRACE_TRY(audit_->set_text(kId, ids.text_at(row)));
        if (kind == data::Kind::kInt64) audit_->set_int64(kId, ids.as<std::int64_t>()[row]);
        if (kind == data::Kind::kInt32) audit_->set_int32(kId, ids.as<std::int32_t>()[row]);
    }
    MILLRACE_TRY(audit_->set_text(kAuditModel, watched.model->options().name));
    audit_->set_float32(kScore, item.scores[row]);
    audit_->set_float32(kLabel, item.labels[row]);
    audit_->end_row(item.batch->positions().at(row));
    return {};
}

void EvaluateSource::flush(Output& output) {
    if (quality_->has_begun() && quality_->rows() > 0) output.emit(quality_->finish());
    if (audit_ && audit_->has_begun() && audit_->rows() > 0) output.emit_to(1, audit_->finish());
}

void EvaluateSource::close() noexcept {
    left_ = {};
    quality_.reset();
    audit_.reset();
    context_ = nullptr;
}

}  // namespace millrace::operators
