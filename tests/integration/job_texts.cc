#include "tests/integration/job_texts.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/support/temp_dir.h"

namespace millrace::integration {
namespace {

void replace_once(std::string& text, const std::string& old, const std::string& by) {
    const std::size_t at = text.find(old);
    CAPTURE(old);
    REQUIRE(at != std::string::npos);
    REQUIRE(text.find(old, at + old.size()) == std::string::npos);
    text.replace(at, old.size(), by);
}

std::string created(support::KafkaClient& kafka, std::string_view stem, int partitions) {
    const std::string topic = support::unique_topic(stem);
    const Status made = kafka.create_topic(topic, partitions);
    REQUIRE(made);
    return topic;
}

}  // namespace

ClickTopics::ClickTopics(support::KafkaClient& kafka, int partitions_of_clicks)
    : partitions(partitions_of_clicks),
      clicks(created(kafka, "ad_clicks", partitions_of_clicks)),
      predictions(created(kafka, "ad_predictions", 4)),
      quality(created(kafka, "ad_quality", 1)),
      audit(created(kafka, "ad_audit", 1)),
      dead_letters(created(kafka, "ctr_dlq", 1)) {}

std::string ClickJob::text(const ClickTopics& topics) const {
    std::string job = support::read_file(std::string(MILLRACE_SOURCE_DIR) + "/jobs/ctr.yaml");
    replace_once(job, "name: ctr\n", "name: " + name + "\n");
    replace_once(job, "parallelism: 8 ", fmt::format("parallelism: {} ", train_parallelism));
    replace_once(job, "parallelism: 16 ", fmt::format("parallelism: {} ", predict_parallelism));
    replace_once(job, "  parallelism: 4 ", fmt::format("  parallelism: {} ", parallelism));
    replace_once(job, "bits: 22", fmt::format("bits: {}", bits));
    replace_once(job, "order: arrival", "order: " + order);
    replace_once(job, "stop_if_over: 1%", "stop_if_over: " + bad_share_max);
    replace_once(job, "window: 10000rows", "window: " + window + ", audit: impression_id");
    replace_once(job, "max_record_bytes: 1MiB",
                 fmt::format("max_record_bytes: {}, event_time: {{ idle_after: {} }}",
                             max_record_bytes, idle_after));
    replace_once(job, "topic: ad_clicks", "topic: " + topics.clicks);
    replace_once(job, "topic: ad_predictions", "topic: " + topics.predictions);
    replace_once(job, "topic: ad_quality", "topic: " + topics.quality);
    replace_once(job, "topic: ctr_dlq", "topic: " + topics.dead_letters);
    return job + "  audit: { type: kafka, from: quality.audit, topic: " + topics.audit + " }\n";
}

std::string endless_job(const std::string& name, int parallelism) {
    return fmt::format(
        "version: 1\nname: {}\n"
        "sources:\n  numbers: {{ type: generate, preset: sequence, parallelism: {}, rate: 1000/s "
        "}}\n"
        "sinks:\n  nowhere: {{ type: discard, from: numbers }}\n",
        name, parallelism);
}

std::string ending_job(const std::string& name, int rows) {
    return fmt::format(
        "version: 1\nname: {}\n"
        "sources:\n  numbers: {{ type: generate, preset: sequence, limit: {}rows }}\n"
        "sinks:\n  nowhere: {{ type: discard, from: numbers }}\n",
        name, rows);
}

}  // namespace millrace::integration
