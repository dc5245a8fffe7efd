// `features` and `predict` do what ml/ does with the same rows.

#include <algorithm>
#include <cmath>

#include <catch2/catch.hpp>
#include <google/protobuf/text_format.h>

#include "ml/feature_compiler.h"
#include "operators/learning/features_step.h"
#include "operators/learning/model_plan.h"
#include "operators/learning/predict_step.h"
#include "operators/learning/train_step.h"
#include "tests/learning/learning_world.h"
#include "tests/support/manual_clock.h"

namespace millrace::operators::test {
namespace {

using millrace::test::ManualClock;

constexpr const char* kJob = R"pb(
    name: "job"
    features {
      name: "f"
      bits: 12
      seed: 1
      list_items: 3
      columns { name: "ad" from: "ad" as: COLUMN_KIND_HASHED }
      columns { name: "price" from: "price" as: COLUMN_KIND_NUMBER scale: SCALE_STANDARDIZE }
      columns { name: "tags" from: "tags" as: COLUMN_KIND_HASHED_LIST }
      crosses { columns: "ad" columns: "tags" }
    }
    models {
      name: "ctr"
      task: TASK_BINARY
      features: "f"
      learner { ftrl { alpha: 0.2 beta: 1 l1: 0 l2: 0 } }
    }
    models {
      name: "bayes"
      task: TASK_BINARY
      features: "f"
      learner { adpredictor { beta: 1 prior_variance: 0.1 epsilon: 0 prior_rate: 0.2 } }
    }
    steps {
      name: "scored"
      from: "rows"
      parallelism: 1
      predict { models: "ctr" models: "bayes" keep: "id" }
    }
    steps {
      name: "learn"
      from: "rows"
      parallelism: 1
      train {
        models: "ctr"
        models: "bayes"
        label: "label"
        order: ORDER_ARRIVAL
        publish_every_ms: 100
      }
    }
)pb";

proto::Job job() {
    proto::Job made;
    REQUIRE(google::protobuf::TextFormat::ParseFromString(kJob, &made));
    return made;
}

enum InputColumn : std::size_t { kId, kAd, kPrice, kTags, kLabel };

data::SchemaPtr input_schema() {
    using data::Kind;
    return *data::Schema::make({{"id", {.kind = Kind::kInt64}},
                                {"ad", {.kind = Kind::kString}},
                                {"price", {.kind = Kind::kFloat64}},
                                {"tags", {.kind = Kind::kList, .element = Kind::kString}},
                                {"label", {.kind = Kind::kInt32}}});
}

// Rows with nulls, lists of 0 to 5 items and numbers of every size.
data::BatchPtr input_batch(data::BatchMemory& memory, std::size_t first, std::size_t count) {
    data::BatchBuilder builder(input_schema(), memory);
    REQUIRE(builder.begin());
    for (std::size_t i = first; i < first + count; ++i) {
        builder.set_int64(kId, static_cast<std::int64_t>(i));
        if (i % 7 != 0) REQUIRE(builder.set_text(kAd, "ad" + std::to_string(i % 11)));
        if (i % 5 != 0) builder.set_float64(kPrice, static_cast<double>(i % 13) * 10 - 40);
        if (i % 3 != 0) {
            builder.begin_list(kTags);
            for (std::size_t t = 0; t < i % 6; ++t)
                REQUIRE(builder.append_element(kTags, std::string_view("abcdef").substr(t, 1)));
        }
        builder.set_int32(kLabel, i % 4 == 0 ? 1 : 0);
        builder.end_row({.split = 0, .ordinal = static_cast<std::int64_t>(i)});
    }
    return builder.finish();
}

// Makes a step of the job as a deployment does.
std::unique_ptr<Step> make_step(LearningWorld& world, const proto::Job& job,
                                const OperatorSpec& spec, std::int32_t declared,
                                const data::SchemaPtr& input) {
    const std::vector<std::string> sets{"f"};
    auto made = spec.make({.job = job,
                           .role = spec.role,
                           .declared = declared,
                           .feature_sets = sets,
                           .inputs = std::span(&input, 1)},
                          world.resources());
    REQUIRE(made);
    return std::unique_ptr<Step>(dynamic_cast<Step*>(made->release()));
}

data::BatchPtr through(Step& step, const data::BatchPtr& batch) {
    Kept output;
    REQUIRE(*step.process(batch, 0, output) == Progress::kDone);
    REQUIRE(output.main.size() == 1);
    return output.main[0];
}

// Everything that the two models' steps need.
struct StepsWorld {
    StepsWorld() {
        for (const char* name : {"ctr", "bayes"})
            world.add_model(*shared_model_options(description, name));
        features = make_step(world, description, FeaturesStep::spec(), 0, input_schema());
        REQUIRE(features->open(seat->context));
        compiled = through(*features, input_batch(seat->batches, 0, 200));
        predict = make_step(world, description, PredictStep::spec(), 0, compiled->schema());
        train = make_step(world, description, TrainStep::spec(), 1, compiled->schema());
        REQUIRE(predict->open(seat->context));
        REQUIRE(train->open(seat->context));
    }
    ~StepsWorld() {
        for (Step* step : {features.get(), predict.get(), train.get()}) step->close();
    }
    SharedModel& model(std::string_view name) { return **world.resources().model(name); }

    ManualClock clock;
    LearningWorld world{clock};
    const proto::Job description = job();
    std::unique_ptr<Seat> seat = world.seat();
    std::unique_ptr<Step> features;
    data::BatchPtr compiled;
    std::unique_ptr<Step> predict;
    std::unique_ptr<Step> train;
};

TEST_CASE("The features step writes what the feature compiler writes", "[learning]") {
    StepsWorld steps;
    const data::BatchPtr batch = input_batch(steps.seat->batches, 0, 200);
    const ml::FeatureSpec spec = *make_feature_spec(steps.description.features(0));
    const std::vector<ml::FieldType> types{
        {.kind = ml::ColumnKind::kString},
        {.kind = ml::ColumnKind::kFloat64},
        {.kind = ml::ColumnKind::kList, .item = ml::ColumnKind::kString}};
    REQUIRE(ml::FeatureCompiler::fields_of(spec) ==
            std::vector<std::string>{"ad", "price", "tags"});
    const auto compiler = *ml::FeatureCompiler::create(spec, types);
    const auto view = [&](std::size_t column, ml::ColumnKind kind) {
        const data::Column& from = batch->column(column);
        return ml::ColumnView{.kind = kind,
                              .validity = from.validity,
                              .values = from.values,
                              .offsets = from.offsets};
    };
    const ml::ColumnView items{.kind = ml::ColumnKind::kString,
                               .values = batch->column(kTags).values,
                               .offsets = batch->column(kTags).element_offsets};
    std::vector<ml::ColumnView> columns{view(kAd, ml::ColumnKind::kString),
                                        view(kPrice, ml::ColumnKind::kFloat64),
                                        view(kTags, ml::ColumnKind::kList)};
    columns[2].child = &items;
    std::vector<std::int32_t> offsets(201);
    std::vector<std::uint32_t> slots(compiler.entries_max(columns, 200));
    std::vector<float> values(slots.size());
    std::vector<std::uint64_t> scratch(compiler.scratch_words());
    compiler.compile(columns, 200, {.offsets = offsets, .slots = slots, .values = values}, scratch);

    const data::Column& made = steps.compiled->column(5);
    REQUIRE(steps.compiled->schema()->fields()[5].name == "features:f");
    REQUIRE(std::equal(offsets.begin(), offsets.end(), made.offsets));
    const auto entries = static_cast<std::size_t>(offsets.back());
    REQUIRE(entries > 200);
    for (std::size_t i = 0; i < entries; ++i) {
        REQUIRE(made.as<std::uint32_t>()[i] == slots[i]);
        REQUIRE(made.weights[i] == values[i]);
        REQUIRE(std::signbit(made.weights[i]) == std::signbit(values[i]));
    }
    for (std::size_t column = 0; column < 5; ++column)
        REQUIRE(steps.compiled->column(column).values != nullptr);
    REQUIRE(steps.compiled->positions().at(7).ordinal == 7);
}

TEST_CASE("A row has at most as many entries as a model reserves for it", "[learning]") {
    StepsWorld steps;
    // The constant, ad, price, three tags, and three tags crossed with ad.
    REQUIRE(steps.model("ctr").options().entries_row_max == 9);
    REQUIRE(steps.model("ctr").options().scaled_columns == 1);
    const data::Column& made = steps.compiled->column(5);
    std::int32_t most = 0;
    for (std::size_t row = 0; row < 200; ++row)
        most = std::max(most, made.offsets[row + 1] - made.offsets[row]);
    REQUIRE(most == 9);
}

// Scores of a batch from the view, as ml/ gives them.
struct Scores {
    std::vector<float> scores;
    std::vector<float> variances;
};
Scores expected_scores(const SharedModel& model, const data::BatchPtr& batch) {
    const data::Column& features = batch->column(5);
    const auto rows = static_cast<std::uint32_t>(batch->rows());
    std::vector<float> scaled(static_cast<std::size_t>(features.offsets[rows]));
    ml::SparseRows all{.row_count = rows,
                       .offsets = features.offsets,
                       .slots = features.as<std::uint32_t>(),
                       .values = features.weights};
    model.view().scaler().transform(all, scaled);
    all.values = scaled.data();
    Scores made{.scores = std::vector<float>(rows), .variances = std::vector<float>(rows)};
    model.learner().predict_rows(model.view(), all, made.scores, made.variances);
    return made;
}

void check_predictions(StepsWorld& steps) {
    const data::BatchPtr out = through(*steps.predict, steps.compiled);
    const std::vector<std::string> names{"id",
                                         "predictions.ctr.score",
                                         "predictions.ctr.version",
                                         "predictions.bayes.score",
                                         "predictions.bayes.variance",
                                         "predictions.bayes.version"};
    REQUIRE(out->schema()->size() == names.size());
    for (std::size_t i = 0; i < names.size(); ++i)
        REQUIRE(out->schema()->fields()[i].name == names[i]);
    const Scores ctr = expected_scores(steps.model("ctr"), steps.compiled);
    const Scores bayes = expected_scores(steps.model("bayes"), steps.compiled);
    for (std::size_t row = 0; row < out->rows(); ++row) {
        REQUIRE(out->column(0).as<std::int64_t>()[row] == static_cast<std::int64_t>(row));
        REQUIRE(out->column(1).as<float>()[row] == ctr.scores[row]);
        REQUIRE(out->column(2).as<std::int64_t>()[row] ==
                static_cast<std::int64_t>(steps.model("ctr").view().version()));
        REQUIRE(out->column(3).as<float>()[row] == bayes.scores[row]);
        REQUIRE(out->column(4).as<float>()[row] == bayes.variances[row]);
        REQUIRE(out->column(4).as<float>()[row] > 0);
        REQUIRE(out->column(5).as<std::int64_t>()[row] ==
                static_cast<std::int64_t>(steps.model("bayes").view().version()));
    }
}

TEST_CASE("Predictions are the scores of the serving view with its version", "[learning]") {
    StepsWorld steps;
    check_predictions(steps);
    // The prior of a Bayesian model predicts the base rate, on average over its uncertainty.
    const data::BatchPtr prior = through(*steps.predict, steps.compiled);
    REQUIRE(prior->column(1).as<float>()[0] == .5F);
    const std::uint64_t version = steps.model("ctr").view().version();
    Kept output;
    REQUIRE(*steps.train->process(steps.compiled, 0, output) == Progress::kDone);
    REQUIRE(*steps.train->on_end(output) == Progress::kDone);
    REQUIRE(steps.model("ctr").view().version() == version + 1);
    REQUIRE(steps.model("ctr").table().counts().learned == 200);
    check_predictions(steps);
    const data::BatchPtr after = through(*steps.predict, steps.compiled);
    REQUIRE(after->column(1).as<float>()[0] != .5F);
}

TEST_CASE("Without keep a prediction has all fields but the features", "[learning]") {
    StepsWorld steps;
    proto::Job description = job();
    description.mutable_steps(0)->mutable_predict()->clear_keep();
    const data::SchemaPtr input = steps.compiled->schema();
    const auto schemas = PredictStep::spec().schemas(
        {.job = description, .declared = 0, .feature_sets = {}, .inputs = std::span(&input, 1)});
    REQUIRE(schemas);
    REQUIRE(schemas->main->size() == 5 + 5);
    REQUIRE_FALSE(schemas->main->index_of("features:f"));
}

TEST_CASE("Plans that do not fit together are refused with the name", "[learning]") {
    proto::Job description = job();
    REQUIRE_FALSE(shared_model_options(description, "nobody"));
    proto::Step& one = *description.add_steps();
    one.mutable_evaluate()->add_models("ctr");
    REQUIRE(shared_model_options(description, "ctr")->is_evaluated);
    REQUIRE_FALSE(shared_model_options(description, "bayes")->is_evaluated);
    *description.add_steps() = one;
    const auto refused = shared_model_options(description, "ctr");
    REQUIRE_FALSE(refused);
    REQUIRE(refused.error().message.find("model ctr is measured by 2") != std::string::npos);

    const data::SchemaPtr empty = *data::Schema::make({{"x", {.kind = data::Kind::kString}}});
    const std::vector<std::string> sets{"f"};
    OperatorRequest request{.job = description,
                            .role = Role::kFeatures,
                            .feature_sets = sets,
                            .inputs = std::span(&empty, 1)};
    ManualClock clock;
    LearningWorld world(clock);
    REQUIRE_FALSE(FeaturesStep::spec().make(request, world.resources()));
    request.declared = 1;
    REQUIRE_FALSE(TrainStep::spec().schemas(request));
    REQUIRE_FALSE(PredictStep::spec().schemas(
        {.job = description, .declared = 0, .feature_sets = {}, .inputs = std::span(&empty, 1)}));
}

}  // namespace
}  // namespace millrace::operators::test
