#include "operators/learning/model_plan.h"

#include <algorithm>
#include <set>

#include "ml/builtin_learners.h"
#include "ml/feature_compiler.h"
#include "proto/job.pb.h"
#include "runtime/data/batch.h"

namespace millrace::operators {
namespace {

template <class T>
const T* named(const google::protobuf::RepeatedPtrField<T>& all, std::string_view name) {
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const T& entry) { return entry.name() == name; });
    return found == all.end() ? nullptr : &*found;
}

ml::FeatureColumn feature_column(const proto::Column& column) {
    ml::FeatureColumn made{.name = column.name(), .from = column.from()};
    switch (column.as()) {
        case proto::COLUMN_KIND_HASHED_LIST:
            made.kind = ml::FeatureKind::kHashedList;
            break;
        case proto::COLUMN_KIND_NUMBER:
            made.kind = ml::FeatureKind::kNumber;
            break;
        case proto::COLUMN_KIND_BUCKETS:
            made.kind = ml::FeatureKind::kBuckets;
            break;
        default:
            made.kind = ml::FeatureKind::kHashed;
    }
    if (column.take() == proto::TAKE_HOUR_OF_DAY) made.take = ml::Take::kHourOfDay;
    if (column.take() == proto::TAKE_DAY_OF_WEEK) made.take = ml::Take::kDayOfWeek;
    if (column.transform() == proto::TRANSFORM_LOG1P) made.transform = ml::Transform::kLog1p;
    if (column.transform() == proto::TRANSFORM_LOG_SQUARED)
        made.transform = ml::Transform::kLogSquared;
    if (column.scale() == proto::SCALE_STANDARDIZE) made.scale = ml::Scale::kStandardize;
    made.edges.assign(column.edges().begin(), column.edges().end());
    return made;
}

// Logistic for a binary task and half of the square otherwise, unless the job says more.
ml::Loss loss_of(proto::Loss declared, proto::Task task) {
    switch (declared) {
        case proto::LOSS_LOGISTIC:
            return ml::Loss::kLogistic;
        case proto::LOSS_SQUARED:
            return ml::Loss::kSquared;
        case proto::LOSS_HALF_SQUARED:
            return ml::Loss::kHalfSquared;
        default:
            return task == proto::TASK_REGRESSION ? ml::Loss::kSquared : ml::Loss::kLogistic;
    }
}

ml::SgdOptions sgd_options(const proto::SgdLearner& sgd, proto::Task task) {
    return {.rate = sgd.rate(),
            .schedule = sgd.schedule() == proto::SCHEDULE_INVERSE_SCALING
                            ? ml::SgdOptions::Schedule::kInverseScaling
                            : ml::SgdOptions::Schedule::kConstant,
            .power = sgd.power(),
            .l2 = sgd.l2(),
            .loss = loss_of(sgd.loss(), task)};
}

Result<ml::LearnerOptions> learner_options(const proto::Model& model) {
    const proto::Learner& learner = model.learner();
    switch (learner.kind_case()) {
        case proto::Learner::kFtrl:
            return ml::FtrlOptions{.alpha = learner.ftrl().alpha(),
                                   .beta = learner.ftrl().beta(),
                                   .l1 = learner.ftrl().l1(),
                                   .l2 = learner.ftrl().l2(),
                                   .loss = loss_of(learner.ftrl().loss(), model.task())};
        case proto::Learner::kSgd:
            return sgd_options(learner.sgd(), model.task());
        case proto::Learner::kAdagrad:
            return ml::AdaGradOptions{.rate = learner.adagrad().rate(),
                                      .epsilon = learner.adagrad().epsilon(),
                                      .beta = learner.adagrad().beta(),
                                      .loss = loss_of(learner.adagrad().loss(), model.task())};
        case proto::Learner::kAdpredictor:
            return ml::AdPredictorOptions{.beta = learner.adpredictor().beta(),
                                          .prior_variance = learner.adpredictor().prior_variance(),
                                          .epsilon = learner.adpredictor().epsilon(),
                                          .prior_rate = learner.adpredictor().prior_rate()};
        case proto::Learner::KIND_NOT_SET:
            break;
    }
    return fail(Code::kInvalidOption, "a model without a learner: {}", model.name());
}

Result<std::unique_ptr<ml::Learner>> learner_of(const proto::Model& model) {
    MILLRACE_TRY_ASSIGN(const ml::LearnerOptions options, learner_options(model));
    return ml::make_learner(options);
}

// The train step that teaches `model`; null when nobody does.
const proto::Step* trainer_of(const proto::Job& job, std::string_view model) {
    for (const proto::Step& step : job.steps()) {
        const auto& models = step.train().models();
        if (step.has_train() && std::find(models.begin(), models.end(), model) != models.end())
            return &step;
    }
    return nullptr;
}

std::size_t evaluators_of(const proto::Job& job, std::string_view model) {
    const auto count =
        std::count_if(job.steps().begin(), job.steps().end(), [&](const proto::Step& step) {
            const auto& models = step.evaluate().models();
            return step.has_evaluate() &&
                   std::find(models.begin(), models.end(), model) != models.end();
        });
    return static_cast<std::size_t>(count);
}

// What ml::FeatureCompiler writes for one row at most: the constant, one entry a column or cross,
// and `list_items` where a list is in it.
std::size_t entries_row_max(const ml::FeatureSpec& spec) {
    std::set<std::string> lists;
    for (const ml::FeatureColumn& column : spec.columns) {
        if (column.kind == ml::FeatureKind::kHashedList) lists.insert(column.name);
    }
    std::size_t entries = 1 + spec.columns.size() - lists.size() + lists.size() * spec.list_items;
    for (const std::vector<std::string>& cross : spec.crosses) {
        const bool has_list = std::any_of(cross.begin(), cross.end(),
                                          [&](const auto& part) { return lists.contains(part); });
        entries += has_list ? spec.list_items : 1;
    }
    return entries;
}

// Entries of a row that has every field, one item a list: what priors count with.
double usual_entries(const proto::Features& features) {
    return 1.0 + features.columns_size() + features.crosses_size();
}

}  // namespace

const proto::Model* find_model(const proto::Job& job, std::string_view name) {
    return named(job.models(), name);
}

const proto::Features* find_features(const proto::Job& job, std::string_view name) {
    return named(job.features(), name);
}

std::string features_field(std::string_view set) { return "features:" + std::string(set); }

Result<std::size_t> features_column(const proto::Job& job, std::string_view model,
                                    const data::Schema& input) {
    const proto::Model* found = find_model(job, model);
    if (found == nullptr) return fail(Code::kInvalidArgument, "no such model: {}", model);
    const auto column = input.index_of(features_field(found->features()));
    if (!column) {
        return fail(Code::kInvalidArgument, "the input of model {} has no features {}", model,
                    found->features());
    }
    return *column;
}

Result<std::unique_ptr<const ml::Learner>> make_learner(const proto::Model& model) {
    auto made = learner_of(model);
    if (!made)
        return std::unexpected(std::move(made).error().with_context("model " + model.name()));
    return std::unique_ptr<const ml::Learner>(std::move(*made));
}

Result<ml::FeatureSpec> make_feature_spec(const proto::Features& features) {
    ml::FeatureSpec spec{.bits = static_cast<unsigned>(features.bits()),
                         .seed = features.seed(),
                         .list_items = static_cast<std::uint32_t>(features.list_items()),
                         .columns = {}};
    for (const proto::Column& column : features.columns())
        spec.columns.push_back(feature_column(column));
    for (const proto::Cross& cross : features.crosses()) {
        spec.crosses.emplace_back(cross.columns().begin(), cross.columns().end());
    }
    if (Status valid = spec.validate(); !valid) {
        return std::unexpected(
            std::move(valid).error().with_context("features " + features.name()));
    }
    return spec;
}

Result<SharedModel::Options> shared_model_options(const proto::Job& job, std::string_view name) {
    const proto::Model* model = find_model(job, name);
    if (model == nullptr) return fail(Code::kInvalidArgument, "no such model: {}", name);
    const proto::Features* features = find_features(job, model->features());
    if (features == nullptr)
        return fail(Code::kInvalidArgument, "no such features: {}", model->features());
    MILLRACE_TRY_ASSIGN(const ml::FeatureSpec spec, make_feature_spec(*features));
    MILLRACE_TRY_ASSIGN(auto learner, make_learner(*model));
    SharedModel::Options options{.name = model->name(), .bits = spec.bits};
    options.active_features = usual_entries(*features);
    options.learner = std::move(learner);
    const std::size_t evaluators = evaluators_of(job, name);
    if (evaluators > 1) {
        return fail(Code::kInvalidArgument,
                    "model {} is measured by {} `evaluate` steps, and scored rows go to one. Hint: "
                    "name it in one of them only",
                    name, evaluators);
    }
    options.is_evaluated = evaluators == 1;
    options.entries_row_max = static_cast<std::uint32_t>(entries_row_max(spec));
    options.scaled_columns = static_cast<std::uint32_t>(std::count_if(
        spec.columns.begin(), spec.columns.end(),
        [](const ml::FeatureColumn& c) { return c.scale == ml::Scale::kStandardize; }));
    if (const proto::Step* trainer = trainer_of(job, name)) {
        if (trainer->train().order() == proto::ORDER_CANONICAL) options.order.emplace();
        options.trainers = static_cast<std::uint32_t>(trainer->parallelism());
        options.publish_every = std::chrono::milliseconds(trainer->train().publish_every_ms());
    }
    return options;
}

}  // namespace millrace::operators
