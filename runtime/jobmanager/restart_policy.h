// How often, and after which wait, a job is tried again.
//
// Threads:    values and pure functions.
// Ownership:  none.
// Failure:    none; the job file's bounds have been checked.

#pragma once

#include <cstdint>

#include "proto/job.pb.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"

namespace millrace::jobmanager {

struct RestartPolicy {
    Duration backoff_min = std::chrono::seconds(1);
    Duration backoff_max = std::chrono::seconds(60);
    std::uint32_t give_up_after = 10;  // Attempts in a row; 0 = never try again.
    // An attempt that ran this long counts as a success: the next failure starts from backoff_min.
    Duration healthy_after = std::chrono::minutes(5);
    // Once an attempt ran this long, what the job names (topics, files) was there: if it is missing
    // later, it is waited for.
    Duration proven_after = std::chrono::seconds(10);
};

// What the job's `runtime.restart` says.
[[nodiscard]] RestartPolicy restart_policy_of(const proto::Job& job);

// The wait after `failures_in_a_row` (from 1): doubles from the shortest to the longest, with up to
// 10 % on top so that jobs do not move in step.
[[nodiscard]] Duration backoff_after(const RestartPolicy& policy, std::uint32_t failures_in_a_row,
                                     Random& random);

}  // namespace millrace::jobmanager
