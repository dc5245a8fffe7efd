// The states of a job, and the one table of legal moves between them.
//
// Threads:    values.
// Failure:    a move that the table does not list is our bug and aborts.

#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::jobmanager {

// The names are Flink's, so that its tools understand them.
enum class JobState : std::uint8_t {
    kCreated,     // Accepted; its tasks are being placed and built.
    kRunning,     // Every task has been started.
    kFailing,     // A task failed; the others are being cancelled.
    kRestarting,  // Waits for its next attempt.
    kCancelling,  // Somebody cancelled it; its tasks are ending.
    kFinished,    // All input ended and every task finished. Final.
    kCanceled,    // Final.
    kFailed,      // Gave up after too many attempts. Final.
};

// "RUNNING", as REST says it.
[[nodiscard]] std::string_view to_string(JobState state);
[[nodiscard]] bool is_final(JobState state);
[[nodiscard]] bool is_legal(JobState from, JobState to);

}  // namespace millrace::jobmanager
