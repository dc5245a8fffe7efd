// What the outer world says about a submitted job, before it is taken.
//
// Threads:    any; look_around() blocks, so it runs on the blocking pool.
// Ownership:  values; borrows its arguments for the call.
// Limits:     one entry a source and one a cluster.
// Failure:    a JobRefusal that names everything that is missing; any other cause ends the search,
//             because the next question would most likely meet it again.

#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "proto/control.pb.h"
#include "proto/job.pb.h"
#include "runtime/base/status.h"
#include "runtime/jobmanager/split_directory.h"

namespace millrace::jobmanager {

// What is wrong at one place of the job file.
struct JobProblem {
    std::string code;  // E110; the list of codes is that of the job file's errors.
    std::string path;  // sources.clicks.topic
    std::string message;
    std::string fix;  // Empty when nothing better can be said.

    bool operator==(const JobProblem&) const = default;
};

// Why a job was not taken.
struct JobRefusal {
    Error cause;                       // All of it in words.
    std::vector<JobProblem> problems;  // Those that have a place in the job file.
};

struct JobFindings {
    std::vector<std::pair<std::int32_t, std::vector<proto::SplitAssignment>>> splits;
    std::vector<proto::KafkaConnection> kafka;
};

[[nodiscard]] std::expected<JobFindings, JobRefusal> look_around(SplitDirectory& directory,
                                                                 const proto::Job& job);

}  // namespace millrace::jobmanager
