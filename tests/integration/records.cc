#include "tests/integration/records.h"

#include <algorithm>

#include <catch2/catch.hpp>
#include <simdjson.h>

namespace millrace::integration {
namespace {

using Element = simdjson::dom::element;

// Parses `text` and hands its root to `read`; what it throws fails the case.
template <typename Read>
auto parsed(const std::string& text, Read read) {
    simdjson::dom::parser parser;
    try {
        return read(Element(parser.parse(text)));
    } catch (const simdjson::simdjson_error& error) {
        FAIL(error.what() << " in: " << text);
        throw;
    }
}

std::string text_at(const Element& from, std::string_view key) {
    return std::string(std::string_view(from[key]));
}
std::int64_t whole_at(const Element& from, std::string_view key) { return std::int64_t(from[key]); }
double number_at(const Element& from, std::string_view key) { return double(from[key]); }

StepProgress step_of(const Element& step) {
    return {.name = text_at(step, "name"),
            .records_in = whole_at(step, "records-in"),
            .records_out = whole_at(step, "records-out"),
            .records_rejected = whole_at(step, "records-rejected"),
            .pending_records = whole_at(step, "pending-records"),
            .back_pressured_ms = number_at(step, "back-pressured-ms-per-second-max")};
}

ModelProgress model_of(const Element& model) {
    return {.name = text_at(model, "name"),
            .rows_learned = whole_at(model, "rows-learned"),
            .digest = model["digest"].is_null() ? std::string() : text_at(model, "digest")};
}

JobProgress progress_of(const Element& root) {
    JobProgress progress{.state = text_at(root, "state"),
                         .now_ms = whole_at(root, "now"),
                         .attempt = whole_at(root, "attempt"),
                         .restarts = whole_at(root, "restarts"),
                         .last_failure = {},
                         .steps = {},
                         .models = {}};
    const Element failure = root["last-failure"];
    if (!failure.is_null()) progress.last_failure = text_at(root, "last-failure");
    for (const Element step : simdjson::dom::array(root["steps"]))
        progress.steps.push_back(step_of(step));
    for (const Element model : simdjson::dom::array(root["models"]))
        progress.models.push_back(model_of(model));
    return progress;
}

}  // namespace

Prediction read_prediction(const std::string& text) {
    return parsed(text, [](const Element& root) {
        Prediction prediction{.impression_id = text_at(root, "impression_id"),
                              .ts = whole_at(root, "ts"),
                              .models = {}};
        for (const auto& [model, score] : simdjson::dom::object(root["predictions"])) {
            prediction.models[std::string(model)] = {.score = number_at(score, "score"),
                                                     .version = whole_at(score, "version")};
        }
        return prediction;
    });
}

AuditRow read_audit_row(const std::string& text) {
    return parsed(text, [](const Element& root) {
        return AuditRow{.id = text_at(root, "id"),
                        .model = text_at(root, "model"),
                        .score = number_at(root, "score"),
                        .label = number_at(root, "label")};
    });
}

QualityRecord read_quality_record(const std::string& text) {
    return parsed(text, [](const Element& root) {
        return QualityRecord{.model = text_at(root, "model"),
                             .rows = whole_at(root, "rows"),
                             .rows_total = whole_at(root, "rows_total"),
                             .logloss = number_at(root, "logloss"),
                             .logloss_baseline = number_at(root, "logloss_baseline"),
                             .auc = number_at(root, "auc"),
                             .calibration = number_at(root, "calibration"),
                             .normalized_entropy = number_at(root, "normalized_entropy")};
    });
}

const StepProgress& JobProgress::step(const std::string& name) const {
    const auto found = std::find_if(steps.begin(), steps.end(), [&](const StepProgress& step) {
        return step.name.starts_with(name);
    });
    CAPTURE(name, state);
    REQUIRE(found != steps.end());
    return *found;
}

ModelProgress JobProgress::model(const std::string& name) const {
    const auto found = std::ranges::find(models, name, &ModelProgress::name);
    return found == models.end() ? ModelProgress{} : *found;
}

JobProgress read_progress(const std::string& text) { return parsed(text, progress_of); }

std::vector<TaskManagerView> read_taskmanagers(const std::string& text) {
    return parsed(text, [](const Element& root) {
        std::vector<TaskManagerView> all;
        for (const Element one : simdjson::dom::array(root["taskmanagers"])) {
            all.push_back({.id = text_at(one, "id"),
                           .data_address = text_at(one, "path"),
                           .slots = whole_at(one, "slotsNumber"),
                           .free_slots = whole_at(one, "freeSlots")});
        }
        return all;
    });
}

std::vector<MemoryFigures> read_explained(const std::string& text) {
    return parsed(text, [](const Element& root) {
        std::vector<MemoryFigures> all;
        for (const Element one : simdjson::dom::array(root["taskmanagers"])) {
            MemoryFigures figures{.managed = whole_at(one["managed"], "needed"),
                                  .fullest_slot = whole_at(one["managed"], "slot-needed"),
                                  .task = whole_at(one["task"], "needed"),
                                  .network_buffers = whole_at(one["network-buffers"], "required"),
                                  .models = {}};
            for (const Element model : simdjson::dom::array(one["managed"]["models"]))
                figures.models[text_at(model, "name")] = whole_at(model, "bytes");
            all.push_back(std::move(figures));
        }
        return all;
    });
}

MemoryFigures read_memory(const std::string& text) {
    return parsed(text, [](const Element& root) {
        MemoryFigures figures{.network_buffers = whole_at(root["network-buffers"], "required"),
                              .models = {}};
        for (const Element region : simdjson::dom::array(root["regions"])) {
            if (text_at(region, "name") == "task") figures.task = whole_at(region, "reserved");
            if (text_at(region, "name") == "managed")
                figures.managed = whole_at(region, "reserved");
        }
        for (const Element pool : simdjson::dom::array(root["pools"])) {
            const std::string name = text_at(pool, "name");
            if (name.starts_with("slot ")) {
                figures.fullest_slot =
                    std::max(figures.fullest_slot,
                             whole_at(pool, "reserved") + whole_at(pool, "in-accounts"));
            } else {
                figures.models[name.substr(name.find('/') + 1)] = whole_at(pool, "budget");
            }
        }
        return figures;
    });
}

}  // namespace millrace::integration
