// What the outer world says about a submitted job, before it is taken.
//
// Threads:    any; look_around() blocks, so it runs on the blocking pool.
// Ownership:  values; borrows its arguments for the call.
// Limits:     one entry a source and one a cluster.
// Failure:    kNotFound names everything that is missing, a line each; any other cause ends the
//             search, because the next question would most likely meet it again.

#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "proto/control.pb.h"
#include "proto/job.pb.h"
#include "runtime/base/status.h"
#include "runtime/jobmanager/split_directory.h"

namespace millrace::jobmanager {

struct JobFindings {
    std::vector<std::pair<std::int32_t, std::vector<proto::SplitAssignment>>> splits;
    std::vector<proto::KafkaConnection> kafka;
};

[[nodiscard]] Result<JobFindings> look_around(SplitDirectory& directory, const proto::Job& job);

}  // namespace millrace::jobmanager
