#include <algorithm>
#include <array>
#include <fstream>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "ml/table.h"
#include "operators/learning/shared_model.h"
#include "tests/contract/pilot.h"
#include "tests/contract/stage.h"
#include "tests/data/random_batch.h"

namespace millrace::contract {
namespace {

using operators::Role;

// Five batches, the last one short.
constexpr std::size_t kRows = 4'500;

// A job that reads made-up clicks; `rest` names what comes behind.
std::string clicks_job(std::string_view rest) {
    return fmt::format(R"(version: 1
name: contract
sources:
  clicks: {{ type: generate, preset: ctr, limit: {}rows }}
{})",
                       kRows, rest);
}

// A job whose one source is `source`, without its schema.
std::string reading_job(std::string_view source) {
    return fmt::format(R"(version: 1
name: contract
schemas:
  row: {{ name: string, amount: int64 }}
sources:
  rows: {{ {}, schema: row }}
sinks:
  out: {{ type: discard, from: rows }}
)",
                       source);
}

std::string sink_job(std::string_view sink) {
    return clicks_job(fmt::format("sinks:\n  out: {{ {}, from: clicks }}\n", sink));
}

std::string learning_job(std::string_view steps) {
    return clicks_job(fmt::format(R"(features:
  f: {{ bits: 12, columns: {{ f3: hashed, f6: hashed, number: {{ from: f1, as: number }} }},
       crosses: [[f3, f6]] }}
models:
  ctr: {{ task: binary, features: f, learner: ftrl }}
{}
sinks:
  out: {{ type: discard, from: scored }}
)",
                                  steps));
}

// Two subtasks, so that a second instance may follow the first.
constexpr std::string_view kLearn =
    "  learn: { type: train, from: clicks, label: label, models: [ctr], order: arrival,"
    " parallelism: 2 }\n";
constexpr std::string_view kLearnAlone =
    "  learn: { type: train, from: clicks, label: label, models: [ctr], order: arrival }\n";
constexpr std::string_view kScore =
    "  scored: { type: predict, from: clicks, models: [ctr], keep: [impression_id] }\n";
constexpr std::string_view kEvaluate =
    "  quality: { type: evaluate, from: clicks, models: [ctr], window: 1000rows,"
    " audit: impression_id }\n";

// JSON rows `from` to `to`.
Lines json_rows(std::size_t from, std::size_t to) {
    Lines rows;
    for (std::size_t i = from; i < to; ++i)
        rows.push_back(fmt::format(R"({{"name":"row {}","amount":{}}})", i, i * i));
    return rows;
}

void write_rows(Outside& outside, std::size_t from, std::size_t to) {
    std::string text;
    for (const std::string& row : json_rows(from, to)) text += row + "\n";
    std::ofstream(outside.path("in.jsonl")) << text;
}

operators::SharedModel& model(Stage& stage) {
    auto found = stage.resources().model("ctr");
    REQUIRE(found);
    return **found;
}

// Every cell that is not zero, and what was counted.
Lines learned(Stage& stage) {
    const ml::Table& table = model(stage).table();
    Lines lines{fmt::format("{} rows", table.counts().learned)};
    std::size_t at = 0;
    for (const ml::Cell& cell : table.cells()) {
        ++at;
        if (cell.w != 0)
            lines.push_back(
                fmt::format("{} {:a} {:a} {:a}", at, cell.w, cell.state[0], cell.state[1]));
    }
    return lines;
}

// Hands back all scored rows, as `evaluate` does.
void take_scored(Stage& stage) {
    std::vector<operators::SharedModel::ScoredRun> runs(64);
    operators::SharedModel& watched = model(stage);
    for (std::size_t count = 1; count > 0;) {
        count = watched.take_scored(runs);
        watched.give_back(std::span(runs).first(count));
    }
}

// Takes so many scored rows away, which an instance before had.
void pass_over(Stage& stage, std::size_t rows) {
    operators::SharedModel& watched = model(stage);
    operators::SharedModel::ScoredRun run;
    while (rows > 0) {
        REQUIRE(watched.take_scored(std::span(&run, 1)) == 1);
        REQUIRE(run.count <= rows);
        rows -= run.count;
        watched.give_back(std::span(&run, 1));
    }
}

std::size_t discarded(Stage& stage) {
    return static_cast<std::size_t>(stage.sum_of_metric("millrace_discarded_rows_total"));
}

// The file while it is written, or under its name.
Lines file_written(Stage& stage) {
    Lines lines = stage.outside().lines_of_file("out.jsonl");
    return lines.empty() ? stage.outside().lines_of_file("out.jsonl.partial") : lines;
}

// ------------------------------------------------------------------------------------ entries

Subject compute() {
    return {.role = Role::kStep,
            .type = "compute",
            .job = clicks_job(R"(steps:
  made: { type: compute, from: clicks, set: { sum: 'f1 + f2 * 2', odd: 'f3 > 4 or label == 1' } }
sinks:
  out: { type: discard, from: made }
)"),
            .node = "made",
            .mistakes = {{"f1 + f2 * 2", "f1 + f99", "f99"},
                         {"f1 + f2 * 2", "f1 + impression_id", "needs a number"},
                         {"sum: 'f1", "label: 'f1", "label"}}};
}

Subject discard() {
    return {.role = Role::kSink,
            .type = "discard",
            .job = sink_job("type: discard"),
            .node = "out",
            .delivered = [](Stage& stage) { return Lines(discarded(stage), "a row"); },
            .may_repeat = true};
}

Subject evaluate() {
    return {
        .role = Role::kStep,
        .type = "evaluate",
        .job = learning_job(fmt::format("steps:\n{}{}{}", kLearnAlone, kScore, kEvaluate)) +
               "  measured: { type: discard, from: quality }\n",
        .node = "quality",
        .mistakes = {{"audit: impression_id", "audit: nobody", "nobody"},
                     {"audit: impression_id", "audit: ts", "an audit field is"},
                     {"window: 1000rows", "window: 0rows", "window"}},
        .rows = 5,
        .ends = true,
        .prepare = [](Stage& stage) { (void)stage.run_to_end(stage.planned().index_of("learn")); },
        .bring_to = [](Stage& stage, const Said& before) { pass_over(stage, before.side.size()); }};
}

Subject features() {
    return {.role = Role::kFeatures,
            .type = "features",
            .job = learning_job(fmt::format("steps:\n{}{}", kLearn, kScore)),
            .node = "clicks.features",
            .mistakes = {{"f6: hashed", "f6: hashed_list", "f6"},
                         {"from: f1, as", "from: f77, as", "f77"}}};
}

Subject file_sink() {
    return {.role = Role::kSink,
            .type = "file",
            .job = sink_job("type: file, path: \"${FOLDER}/out.jsonl\""),
            .node = "out",
            .mistakes = {{"type: file", "type: file, format: raw", "raw"}},
            .delivered = file_written,
            .stall = [](Stage& stage) { stage.outside().hold_blocking(); },
            .release = [](Stage& stage) { stage.outside().release_blocking(); },
            .rows_delivered = [](Stage& stage) { return file_written(stage).size(); }};
}

Subject file_source() {
    return {.role = Role::kSource,
            .type = "file",
            .job = reading_job("type: file, path: \"${FOLDER}/in.jsonl\", format: json"),
            .node = "rows",
            .mistakes = {{", schema: row", ", schema: line", "line"},
                         {"format: json", "format: json, header: true", "header"}},
            .supply = write_rows,
            .rows = kRows,
            .ends = true};
}

Subject filter() {
    return {.role = Role::kStep,
            .type = "filter",
            .job = clicks_job(R"(steps:
  kept: { type: filter, from: clicks, where: 'f10 > 3 and impression_id != "i00000007"' }
sinks:
  out: { type: discard, from: kept }
)"),
            .node = "kept",
            .mistakes = {{"f10 > 3", "f10 + 3", "bool"}, {"f10 > 3", "nobody > 3", "nobody"}}};
}

Subject generate() {
    return {.role = Role::kSource,
            .type = "generate",
            .job = sink_job("type: discard"),
            .node = "clicks",
            .mistakes = {{"preset: ctr", "preset: clicks", "clicks"},
                         {"limit: 4500rows", "limit: 4500", "unit"}},
            .rows = kRows,
            .ends = true};
}

Subject kafka_sink() {
    return {.role = Role::kSink,
            .type = "kafka",
            .job = sink_job("type: kafka, topic: rows, key: impression_id"),
            .node = "out",
            .mistakes = {{"key: impression_id", "key: nobody", "nobody"},
                         {"topic: rows", "topic: rows, format: raw", "raw"},
                         {"topic: rows", "topic: rows, cluster: elsewhere", "elsewhere"}},
            .delivered = [](Stage& stage) { return stage.outside().topic(); },
            .may_repeat = true,
            .stall = [](Stage& stage) { stage.outside().broker().set_down(1); },
            .release = [](Stage& stage) { stage.outside().broker().set_up(1); },
            .rows_delivered = [](Stage& stage) { return stage.outside().topic_end(); }};
}

Subject kafka_source() {
    return {.role = Role::kSource,
            .type = "kafka",
            .job = reading_job("type: kafka, topic: rows, format: json, start: earliest"),
            .node = "rows",
            .mistakes = {{", schema: row", ", schema: line", "line"},
                         {"topic: rows", "topic: rows, cluster: elsewhere", "elsewhere"}},
            .supply = [](Outside& outside, std::size_t from,
                         std::size_t to) { outside.produce(json_rows(from, to)); },
            .rows = kRows};
}

Subject predict() {
    return {.role = Role::kStep,
            .type = "predict",
            .job = learning_job(fmt::format("steps:\n{}{}", kLearn, kScore)),
            .node = "scored",
            .mistakes = {{"keep: [impression_id]", "keep: [nobody]", "nobody"},
                         {"from: clicks, models: [ctr], keep",
                          "from: clicks, models: [other], keep", "other"}}};
}

Subject print() {
    return {.role = Role::kSink,
            .type = "print",
            .job = sink_job("type: print"),
            .node = "out",
            .mistakes = {{"type: print", "type: print, format: raw", "raw"}},
            .prepare = [](Stage& stage) { stage.outside().capture_output(); },
            .delivered = [](Stage& stage) { return stage.outside().printed(); },
            .may_repeat = true,
            .stall = [](Stage& stage) { stage.outside().hold_blocking(); },
            .release = [](Stage& stage) { stage.outside().release_blocking(); },
            .rows_delivered = [](Stage& stage) { return stage.outside().printed().size(); }};
}

Subject socket() {
    return {
        .role = Role::kSource,
        .type = "socket",
        .job = reading_job("type: socket, address: \"feed:7000\", format: json"),
        .node = "rows",
        .mistakes = {{", schema: row", ", schema: line", "line"}, {"feed:7000", "feed", "address"}},
        .supply = [](Outside& outside, std::size_t from,
                     std::size_t to) { outside.serve(json_rows(from, to)); },
        .rows = kRows,
        .is_live = true};
}

Subject train() {
    return {.role = Role::kStep,
            .type = "train",
            .job = learning_job(fmt::format("steps:\n{}{}{}", kLearn, kScore, kEvaluate)) +
                   "  measured: { type: discard, from: quality }\n",
            .node = "learn",
            .mistakes = {{"label: label", "label: nobody", "nobody"},
                         {"label: label", "label: impression_id", "impression_id"}},
            .delivered = learned,
            .stall = [](Stage&) {},  // Nobody takes what was scored, so its model fills up.
            .release = take_scored,
            .rows_delivered =
                [](Stage& stage) {
                    return static_cast<std::size_t>(model(stage).table().counts().learned);
                },
            .shares_state = true};
}

}  // namespace

std::span<const Subject> subjects() {
    static const std::array all{compute(),     discard(), evaluate(), features(),   file_sink(),
                                file_source(), filter(),  generate(), kafka_sink(), kafka_source(),
                                predict(),     print(),   socket(),   train()};
    return all;
}

const Subject* find_subject(operators::Role role, std::string_view type) {
    const auto found = std::ranges::find_if(subjects(), [&](const Subject& subject) {
        return subject.role == role && subject.type == type;
    });
    return found == subjects().end() ? nullptr : &*found;
}

std::string name_of(operators::Role role, std::string_view type) {
    constexpr std::array kWords{"source", "feature compiler", "step", "sink"};
    return fmt::format("{} {}", kWords[static_cast<std::size_t>(role)], type);
}

}  // namespace millrace::contract
