// What the JobManager asks the outer world about a job's input and output, by interface: it may not
// open the door to Kafka itself, so main() hands it an implementation.
//
// Threads:    any; calls block, so they run on the blocking pool, never on the control thread.
// Ownership:  borrows its arguments for the call.
// Limits:     every call ends within the deadline it was made with.
// Failure:    kUnavailable, kNotFound, kPermissionDenied and so on, with the cause in words.

#pragma once

#include <vector>

#include "proto/control.pb.h"
#include "proto/job.pb.h"
#include "runtime/base/status.h"

namespace millrace::jobmanager {

class SplitDirectory {
  public:
    virtual ~SplitDirectory() = default;

    // The splits of source `index` of `job`, each with the place where a new job begins to read.
    virtual Result<std::vector<proto::SplitAssignment>> resolve(const proto::Job& job,
                                                                int index) = 0;
    // The same, for splits that appear while the job runs: they are read from their beginning.
    virtual Result<std::vector<proto::SplitAssignment>> look_again(const proto::Job& job,
                                                                   int index) = 0;
    // Whether sink `index` of `job` can be written: broker reachable, topic there.
    virtual Status check_sink(const proto::Job& job, int index) = 0;
    // The connections that the job's sources and sinks use, complete, for its TaskManagers.
    virtual Result<std::vector<proto::KafkaConnection>> connections(const proto::Job& job) = 0;
};

}  // namespace millrace::jobmanager
