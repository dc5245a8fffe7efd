// Reads the product's JSON: what it wrote to Kafka and what its REST API answers.
//
// Strict: a field that is missing or has another type fails the case.
//
// Threads:    one.
// Failure:    ends the Catch2 case, with the text.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace::integration {

struct Score {
    double score = 0;
    std::int64_t version = -1;
};

struct Prediction {
    std::string impression_id;
    std::int64_t ts = 0;
    std::map<std::string, Score> models;
};
[[nodiscard]] Prediction read_prediction(const std::string& text);

struct AuditRow {
    std::string id;
    std::string model;
    double score = 0;
    double label = 0;
};
[[nodiscard]] AuditRow read_audit_row(const std::string& text);

struct QualityRecord {
    std::string model;
    std::int64_t rows = 0;
    std::int64_t rows_total = 0;
    double logloss = 0;
    double logloss_baseline = 0;
    double auc = 0;
    double calibration = 0;
    double normalized_entropy = 0;
};
[[nodiscard]] QualityRecord read_quality_record(const std::string& text);

// The answer of /jobs/NAME/progress.
struct StepProgress {
    std::string name;
    std::int64_t records_in = 0;
    std::int64_t records_out = 0;
    std::int64_t records_rejected = 0;
    std::int64_t pending_records = 0;
    double back_pressured_ms = 0;  // Of the last second, by the busiest subtask.
};
struct ModelProgress {
    std::string name;
    std::int64_t rows_learned = 0;
    std::string digest;  // Empty while rows come.
};
struct JobProgress {
    std::string state;
    std::int64_t now_ms = 0;
    std::int64_t attempt = 0;
    std::int64_t restarts = 0;
    std::string last_failure;  // Empty when there was none.
    std::vector<StepProgress> steps;
    std::vector<ModelProgress> models;

    // The step whose name begins so.
    [[nodiscard]] const StepProgress& step(const std::string& name) const;
    // The model of this name; empty when nothing was reported of it.
    [[nodiscard]] ModelProgress model(const std::string& name) const;
};
[[nodiscard]] JobProgress read_progress(const std::string& text);

// One of the answer of /taskmanagers.
struct TaskManagerView {
    std::string id;
    std::string data_address;
    std::int64_t slots = 0;
    std::int64_t free_slots = 0;
};
[[nodiscard]] std::vector<TaskManagerView> read_taskmanagers(const std::string& text);

// What a job holds in one TaskManager, in bytes: as `explain -o json` promises it, and as
// /taskmanagers/ID/memory reports it.
struct MemoryFigures {
    std::int64_t managed = 0;
    std::int64_t fullest_slot = 0;  // Models' parts included.
    std::int64_t task = 0;
    std::int64_t network_buffers = 0;  // A number: those that are promised.
    std::map<std::string, std::int64_t> models;
};
[[nodiscard]] std::vector<MemoryFigures> read_explained(const std::string& text);
[[nodiscard]] MemoryFigures read_memory(const std::string& text);

}  // namespace millrace::integration
