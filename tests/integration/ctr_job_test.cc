// The shipped click job end to end.

#include <map>
#include <set>

#include <catch2/catch.hpp>

#include "tests/integration/click_events.h"
#include "tests/integration/cluster.h"
#include "tests/integration/job_texts.h"
#include "tests/integration/quality.h"
#include "tests/support/kafka_client.h"

namespace millrace::integration {
namespace {

using support::KafkaClient;
using support::KafkaRecord;

std::vector<KafkaRecord> read(KafkaClient& kafka, const std::string& topic, std::size_t count) {
    auto records = kafka.read_at_least(topic, count);
    CAPTURE(topic);
    REQUIRE(records);
    return *std::move(records);
}

using AuditByModel = std::map<std::string, std::vector<AuditRow>>;

AuditByModel audit_of(const std::vector<KafkaRecord>& records) {
    AuditByModel rows;
    for (const KafkaRecord& record : records) {
        AuditRow row = read_audit_row(record.value.value());
        rows[row.model].push_back(std::move(row));
    }
    return rows;
}

// Every event was learnt once by each model, with its own label.
void require_complete(const AuditByModel& audit, const std::vector<ClickEvent>& events) {
    std::map<std::string, double> labels;
    for (const ClickEvent& event : events) labels[event.impression_id] = event.label;
    REQUIRE(audit.size() == 2);
    for (const auto& [model, rows] : audit) {
        CAPTURE(model);
        std::map<std::string, double> seen;
        for (const AuditRow& row : rows) seen[row.id] = row.label;
        REQUIRE(rows.size() == events.size());
        REQUIRE(seen == labels);
    }
}

void require_equal(const QualityRecord& record, std::span<const AuditRow> rows) {
    CAPTURE(record.model, record.rows_total);
    REQUIRE(record.logloss == Approx(log_loss(rows)).epsilon(1e-6));
    REQUIRE(record.logloss_baseline == Approx(base_rate_log_loss(rows)).epsilon(1e-6));
    REQUIRE(record.calibration == Approx(calibration(rows)).epsilon(1e-6));
    REQUIRE(record.normalized_entropy ==
            Approx(log_loss(rows) / base_rate_log_loss(rows)).epsilon(1e-6));
    // The product counts in 2,048 bins of the logit.
    REQUIRE(record.auc == Approx(auc(rows)).margin(2e-3));
}

struct RunningJob {
    explicit RunningJob(std::size_t count)
        : kafka(support::kafka_brokers_or_skip()),
          topics(kafka, 4),
          cluster({.brokers = kafka.brokers()}),
          events(click_events(count)) {
        produce(kafka, topics.clicks, events, topics.partitions);
        cluster.start_taskmanager({.slots = 4});
        cluster.start_taskmanager({.slots = 16});
    }

    KafkaClient kafka;
    ClickTopics topics;
    Cluster cluster;
    std::vector<ClickEvent> events;
};

TEST_CASE("the click job predicts every event exactly once when nothing fails", "[integration]") {
    constexpr std::size_t kEvents = 20'000;
    RunningJob job(kEvents);
    job.cluster.submit(ClickJob{}.text(job.topics));
    std::map<std::string, std::int64_t> due;
    for (const ClickEvent& event : job.events) due[event.impression_id] = event.ts;
    const auto records = read(job.kafka, job.topics.predictions, kEvents);
    for (const KafkaRecord& record : records) {
        const Prediction prediction = read_prediction(record.value.value());
        CAPTURE(*record.value);
        REQUIRE(record.key == prediction.impression_id);
        const auto found = due.find(prediction.impression_id);
        REQUIRE(found != due.end());
        REQUIRE(found->second == prediction.ts);
        due.erase(found);
        REQUIRE(prediction.models.size() == 2);
        for (const auto& [model, score] : prediction.models) {
            REQUIRE((score.score > 0 && score.score < 1));
            REQUIRE(score.version >= 0);
        }
    }
    REQUIRE(due.empty());
    (void)job.cluster.wait_for("ctr", [](const JobProgress& seen) {
        return seen.step("impressions").records_in == static_cast<std::int64_t>(kEvents);
    });
    REQUIRE(job.cluster.progress("ctr").restarts == 0);
    REQUIRE(job.kafka.record_count(job.topics.predictions) == static_cast<std::int64_t>(kEvents));
    REQUIRE(job.kafka.record_count(job.topics.dead_letters) == 0);
}

TEST_CASE("the click job's quality records equal the metrics of its audit output",
          "[integration]") {
    constexpr std::size_t kEvents = 20'000;
    constexpr std::size_t kWindow = 5'000;
    RunningJob job(kEvents);
    job.cluster.submit(ClickJob{.window = std::to_string(kWindow) + "rows"}.text(job.topics));
    const AuditByModel audit = audit_of(read(job.kafka, job.topics.audit, 2 * kEvents));
    require_complete(audit, job.events);
    std::map<std::string, std::size_t> windows;
    for (const KafkaRecord& text : read(job.kafka, job.topics.quality, 2 * kEvents / kWindow)) {
        const QualityRecord record = read_quality_record(text.value.value());
        const std::size_t end = ++windows[record.model] * kWindow;
        REQUIRE(record.rows == static_cast<std::int64_t>(kWindow));
        REQUIRE(record.rows_total == static_cast<std::int64_t>(end));
        REQUIRE(end <= kEvents);
        require_equal(record, std::span(audit.at(record.model)).subspan(end - kWindow, kWindow));
    }
    REQUIRE(windows == std::map<std::string, std::size_t>{{"ctr", 4}, {"ctr_bayes", 4}});
}

TEST_CASE("the click job's models learn more than the base rate", "[integration]") {
    RunningJob job(20'000);
    job.cluster.submit(ClickJob{.window = "10000rows"}.text(job.topics));
    for (const KafkaRecord& text : read(job.kafka, job.topics.quality, 4)) {
        const QualityRecord record = read_quality_record(text.value.value());
        if (record.rows_total < 20'000) continue;
        CAPTURE(record.model, record.logloss, record.logloss_baseline);
        REQUIRE(record.logloss < record.logloss_baseline);
        REQUIRE(record.auc > 0.6);
    }
}

}  // namespace
}  // namespace millrace::integration
