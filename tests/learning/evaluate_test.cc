// What `evaluate` says, recomputed from what it says about every row.

#include <cmath>
#include <map>

#include <catch2/catch.hpp>

#include "operators/learning/evaluate_source.h"
#include "operators/learning/train_step.h"
#include "runtime/state/memory_snapshot.h"
#include "tests/data/random_batch.h"
#include "tests/learning/learning_world.h"
#include "tests/support/manual_clock.h"

namespace millrace::operators::test {
namespace {

using millrace::test::ManualClock;

proto::Job evaluate_job(const std::vector<std::string>& models, std::int64_t window, bool audit) {
    proto::Job job;
    proto::Step& step = *job.add_steps();
    step.set_name("quality");
    for (const std::string& model : models) step.mutable_evaluate()->add_models(model);
    step.mutable_evaluate()->set_window_rows(window);
    if (audit) step.mutable_evaluate()->set_audit("id");
    return job;
}

// An evaluate step made as a deployment makes it, and what it emitted.
struct Evaluation {
    Evaluation(LearningWorld& world, const proto::Job& job) : seat(world.seat(9)) {
        const data::SchemaPtr input = click_schema();
        const OperatorRequest request{
            .job = job, .declared = 0, .feature_sets = {}, .inputs = std::span(&input, 1)};
        auto made = EvaluateSource::spec().make(request, world.resources());
        REQUIRE(made);
        source.reset(dynamic_cast<Source*>(made->release()));
        REQUIRE(source->open(seat->context));
    }
    Progress poll() {
        while (true) {
            const auto progress = source->poll(output);
            REQUIRE(progress);
            if (*progress != Progress::kYield) return *progress;
        }
    }

    std::unique_ptr<Seat> seat;
    std::unique_ptr<Source> source;
    Kept output;
};

struct AuditRow {
    std::int64_t id = 0;
    double score = 0;
    double label = 0;
};
std::map<std::string, std::vector<AuditRow>> audit_rows(const Kept& output) {
    std::map<std::string, std::vector<AuditRow>> rows;
    for (const data::BatchPtr& batch : output.side) {
        for (std::size_t row = 0; row < batch->rows(); ++row) {
            rows[std::string(batch->column(1).text_at(row))].push_back(
                {.id = batch->column(0).as<std::int64_t>()[row],
                 .score = static_cast<double>(batch->column(2).as<float>()[row]),
                 .label = static_cast<double>(batch->column(3).as<float>()[row])});
        }
    }
    return rows;
}

// Straight from the definitions; AUC by counting pairs.
struct Expected {
    double log_loss = 0;
    double baseline = 0;
    double auc = 0;
    double calibration = 0;
};
Expected expect(std::span<const AuditRow> rows) {
    Expected made;
    double clicks = 0;
    double scores = 0;
    double pairs = 0;
    const auto n = static_cast<double>(rows.size());
    for (const AuditRow& row : rows) {
        clicks += row.label;
        scores += row.score;
        made.log_loss -= std::log(row.label > 0 ? row.score : 1 - row.score) / n;
        for (const AuditRow& other : rows) {
            if (row.label <= other.label) continue;
            pairs += row.score > other.score ? 1 : row.score == other.score ? .5 : 0;
        }
    }
    const double rate = clicks / n;
    made.baseline = -rate * std::log(rate) - (1 - rate) * std::log(1 - rate);
    made.auc = pairs / (clicks * (n - clicks));
    made.calibration = scores / clicks;
    return made;
}

void train(LearningWorld& world, const std::vector<SharedModel*>& models, Evaluation& evaluation,
           std::span<const Click> rows, std::size_t rows_per_batch) {
    const auto seat = world.seat();
    std::vector<TrainStep::Target> targets;
    targets.reserve(models.size());
    for (SharedModel* model : models)
        targets.push_back({.model = model, .features_column = kFeaturesColumn});
    TrainStep step(std::move(targets), kLabelColumn, data::Kind::kFloat32);
    REQUIRE(step.open(seat->context));
    Kept output;
    for (std::size_t at = 0; at < rows.size(); at += rows_per_batch) {
        const auto part = rows.subspan(at, std::min(rows_per_batch, rows.size() - at));
        const auto batch = click_batch(seat->batches, part);
        while (*step.process(batch, 0, output) != Progress::kDone) evaluation.poll();
    }
    REQUIRE(*step.on_end(output) == Progress::kDone);
    step.close();
}

SharedModel& add_evaluated(LearningWorld& world, std::string name) {
    auto options = click_options(std::move(name), 1);
    options.is_evaluated = true;
    return world.add_model(std::move(options));
}

TEST_CASE("Quality records are the metrics of the audit rows, window by window", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& first = add_evaluated(world, "first");
    SharedModel& second = add_evaluated(world, "second");
    Evaluation evaluation(world, evaluate_job({"first", "second"}, 3000, true));
    const auto rows = clicks(1, 0, 10'000);
    train(world, {&first, &second}, evaluation, rows, 700);
    REQUIRE(evaluation.poll() == Progress::kEnd);

    const auto audit = audit_rows(evaluation.output);
    PlainModel plain(first);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto score = static_cast<double>(plain.learn(rows[i]));
        for (const char* model : {"first", "second"}) {
            REQUIRE(audit.at(model)[i].id == rows[i].position.ordinal);
            REQUIRE(audit.at(model)[i].score == score);
            REQUIRE(audit.at(model)[i].label == static_cast<double>(*rows[i].label));
        }
    }
    std::map<std::string, std::size_t> windows;
    for (const data::BatchPtr& batch : evaluation.output.main) {
        for (std::size_t row = 0; row < batch->rows(); ++row) {
            const std::string model(batch->column(0).text_at(row));
            const std::size_t begin = 3000 * windows[model]++;
            const std::size_t count = std::min<std::size_t>(3000, 10'000 - begin);
            const auto number = [&](std::size_t column) {
                REQUIRE_FALSE(batch->column(column).is_null(row));
                return batch->column(column).as<double>()[row];
            };
            const Expected expected = expect(std::span(audit.at(model)).subspan(begin, count));
            REQUIRE(batch->column(1).as<std::int64_t>()[row] == static_cast<std::int64_t>(count));
            REQUIRE(batch->column(2).as<std::int64_t>()[row] ==
                    static_cast<std::int64_t>(begin + count));
            REQUIRE(number(3) == Approx(expected.log_loss).epsilon(1e-9));
            REQUIRE(number(4) == Approx(expected.baseline).epsilon(1e-9));
            REQUIRE(number(5) == Approx(expected.auc).margin(.002));  // From 1,024 bins.
            REQUIRE(number(6) == Approx(expected.calibration).epsilon(1e-6));
            REQUIRE(number(7) == Approx(expected.log_loss / expected.baseline).epsilon(1e-9));
        }
    }
    REQUIRE(windows == std::map<std::string, std::size_t>{{"first", 4}, {"second", 4}});
    evaluation.source->close();
}

// Every number of the quality records, in order.
std::vector<std::string> quality_lines(const Kept& output) {
    std::vector<std::string> lines;
    for (const data::BatchPtr& batch : output.main) {
        const auto rows = millrace::test::text_of(*batch);
        lines.insert(lines.end(), rows.begin(), rows.end());
    }
    return lines;
}

// As a restored model would be: these rows are learned and were evaluated.
void learn_unseen(LearningWorld& world, SharedModel& model, std::span<const Click> rows) {
    std::array<SharedModel::ScoredRun, 16> runs;
    const auto seat = world.seat();
    TrainStep step({{.model = &model, .features_column = kFeaturesColumn}}, kLabelColumn,
                   data::Kind::kFloat32);
    REQUIRE(step.open(seat->context));
    Kept output;
    REQUIRE(*step.process(click_batch(seat->batches, rows), 0, output) == Progress::kDone);
    while (const std::size_t count = model.take_scored(runs))
        model.give_back(std::span(runs).first(count));
    step.close();
}

TEST_CASE("Evaluate goes on with its windows where a snapshot was taken", "[learning]") {
    ManualClock clock;
    const auto rows = clicks(1, 0, 1'000);
    const std::size_t cut = GENERATE(0, 1, 299, 300, 640);
    CAPTURE(cut);
    const auto before = std::span(rows).first(cut);
    const auto behind = std::span(rows).subspan(cut);
    const auto two_trainers = [](LearningWorld& world) -> SharedModel& {
        auto options = click_options("ctr", 2);
        options.is_evaluated = true;
        return world.add_model(std::move(options));
    };
    LearningWorld whole_world(clock);
    SharedModel& whole_model = add_evaluated(whole_world, "ctr");
    Evaluation whole(whole_world, evaluate_job({"ctr"}, 300, false));
    train(whole_world, {&whole_model}, whole, rows, 1'000);
    REQUIRE(whole.poll() == Progress::kEnd);
    const auto wanted = quality_lines(whole.output);
    REQUIRE(wanted.size() == 4);
    whole.source->close();

    state::MemorySnapshot snapshot;
    std::vector<std::string> got;
    {
        LearningWorld world(clock);
        SharedModel& model = two_trainers(world);
        Evaluation first(world, evaluate_job({"ctr"}, 300, false));
        if (cut > 0) train(world, {&model}, first, before, 1'000);
        (void)first.poll();
        REQUIRE(first.source->snapshot(1, snapshot) == Progress::kDone);
        got = quality_lines(first.output);
        first.source->close();
    }
    LearningWorld world(clock);
    SharedModel& model = two_trainers(world);
    if (cut > 0) learn_unseen(world, model, before);
    Evaluation second(world, evaluate_job({"ctr"}, 300, false));
    REQUIRE(second.source->restore(snapshot));
    train(world, {&model}, second, behind, 1'000);
    (void)second.poll();
    for (const std::string& line : quality_lines(second.output)) got.push_back(line);
    // The model of two trainers waits for the other one, so the last window stays open.
    CHECK(got == std::vector<std::string>(wanted.begin(), wanted.end() - 1));
    second.source->close();
}

TEST_CASE("Rows that were not learned are neither audited nor counted", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = add_evaluated(world, "ctr");
    Evaluation evaluation(world, evaluate_job({"ctr"}, 100, true));
    auto rows = clicks(1, 0, 150);
    for (std::size_t i = 0; i < rows.size(); i += 3) rows[i].label.reset();
    train(world, {&model}, evaluation, rows, 64);
    REQUIRE(evaluation.poll() == Progress::kEnd);
    REQUIRE(audit_rows(evaluation.output).at("ctr").size() == 100);
    REQUIRE(evaluation.output.main.size() == 1);
    REQUIRE(evaluation.output.main[0]->rows() == 1);
    evaluation.source->close();
}

TEST_CASE("A window of one class has no AUC, and none of its kind is zero", "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = add_evaluated(world, "ctr");
    Evaluation evaluation(world, evaluate_job({"ctr"}, 10, false));
    auto rows = clicks(1, 0, 10);
    for (Click& row : rows) row.label = 0;
    train(world, {&model}, evaluation, rows, 10);
    REQUIRE(evaluation.poll() == Progress::kEnd);
    const data::BatchPtr& record = evaluation.output.main.at(0);
    REQUIRE_FALSE(record->column(3).is_null(0));
    REQUIRE(record->column(5).is_null(0));
    REQUIRE(record->column(6).is_null(0));
    REQUIRE(evaluation.output.side.empty());
    evaluation.source->close();
}

TEST_CASE("Windows of one row and many rows at once stay within the limits of a call",
          "[learning]") {
    ManualClock clock;
    LearningWorld world(clock);
    SharedModel& model = add_evaluated(world, "ctr");
    Evaluation evaluation(world, evaluate_job({"ctr"}, 1, true));
    const auto rows = clicks(1, 0, 6000);
    train(world, {&model}, evaluation, rows, 1000);
    std::size_t records = 0;
    while (true) {
        const std::size_t before = evaluation.output.main.size();
        const std::size_t side = evaluation.output.side.size();
        const auto progress = evaluation.source->poll(evaluation.output);
        REQUIRE(evaluation.output.main.size() - before <= kEmitBatchesMax);
        REQUIRE(evaluation.output.side.size() - side <= kEmitBatchesMax);
        if (*progress == Progress::kEnd) break;
        REQUIRE(*progress == Progress::kYield);
    }
    for (const data::BatchPtr& batch : evaluation.output.main) records += batch->rows();
    REQUIRE(records == 6000);
    evaluation.source->close();
}

TEST_CASE("An audit field that is missing or of no plain type is refused", "[learning]") {
    const proto::Job job = evaluate_job({"ctr"}, 10, true);
    const auto schemas = [&](const data::Field& field) {
        const data::SchemaPtr input = *data::Schema::make({field});
        return EvaluateSource::spec().schemas(
            {.job = job, .declared = 0, .feature_sets = {}, .inputs = std::span(&input, 1)});
    };
    REQUIRE(schemas({"id", {.kind = data::Kind::kString}}));
    REQUIRE_FALSE(schemas({"other", {.kind = data::Kind::kString}}));
    REQUIRE_FALSE(schemas({"id", {.kind = data::Kind::kFloat64}}));
}

}  // namespace
}  // namespace millrace::operators::test
