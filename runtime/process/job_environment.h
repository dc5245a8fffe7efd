// What the JobManager knows of the world beyond its own processes: Kafka clusters, files.
//
// Threads:    calls block; they run on the blocking pool.
// Ownership:  owns the list of connections.
// Limits:     every call to a broker ends within kDeadline.
// Failure:    the cause in words: unknown broker, missing topic, wrong credentials.

#pragma once

#include <string>
#include <vector>

#include "operators/kafka/kafka_directory.h"
#include "operators/kafka/kafka_settings.h"
#include "runtime/base/clock.h"
#include "runtime/jobmanager/split_directory.h"

namespace millrace::process {

class JobEnvironment final : public jobmanager::SplitDirectory {
  public:
    static constexpr Duration kDeadline = std::chrono::seconds(10);

    explicit JobEnvironment(const Clock& clock) : clock_(clock) {}

    // What jobs may name as their `cluster`. Before the first job.
    void offer_clusters(std::vector<operators::KafkaConnection> clusters);

    Result<std::vector<proto::SplitAssignment>> resolve(const proto::Job& job, int index) override;
    Result<std::vector<proto::SplitAssignment>> look_again(const proto::Job& job,
                                                           int index) override;
    Status check_sink(const proto::Job& job, int index) override;
    Result<std::vector<proto::KafkaConnection>> connections(const proto::Job& job) override;

  private:
    // The connection that a source or sink names: the job's own, or the server's.
    Result<operators::KafkaConnection> connection_of(const proto::Job& job,
                                                     const std::string& cluster) const;

    Result<std::vector<proto::SplitAssignment>> kafka_splits(const proto::Job& job,
                                                             const proto::Source& source,
                                                             operators::StartRule rule);

    const Clock& clock_;
    std::vector<operators::KafkaConnection> clusters_;
};

}  // namespace millrace::process
