// Job files for the cases: the shipped click job with topics of the case's own, and small ones.
//
// Threads:    pure functions; ClickTopics creates topics.
// Failure:    ends the Catch2 case when jobs/ctr.yaml no longer has the text to replace.

#pragma once

#include <string>

#include "tests/support/kafka_client.h"

namespace millrace::integration {

// The topics of one click job, created empty.
struct ClickTopics {
    ClickTopics(support::KafkaClient& kafka, int partitions_of_clicks);

    int partitions;
    std::string clicks;
    std::string predictions;
    std::string quality;  // One partition, so that its order is that of the records.
    std::string audit;    // One partition.
    std::string dead_letters;
};

// What differs from jobs/ctr.yaml; the defaults are its own values.
struct ClickJob {
    std::string name = "ctr";
    int parallelism = 4;
    int predict_parallelism = 16;
    int train_parallelism = 8;
    int bits = 22;
    std::string order = "arrival";
    std::string idle_after = "30s";
    std::string window = "10000rows";
    std::string max_record_bytes = "1MiB";
    std::string bad_share_max = "1%";

    // The job file, with an audit output of `quality`.
    [[nodiscard]] std::string text(const ClickTopics& topics) const;
};

// A job without Kafka: `generate`s numbers for as long as it runs and discards them.
[[nodiscard]] std::string endless_job(const std::string& name, int parallelism);
// The same with an end after `rows` numbers.
[[nodiscard]] std::string ending_job(const std::string& name, int rows);

}  // namespace millrace::integration
