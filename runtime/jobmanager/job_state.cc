#include "runtime/jobmanager/job_state.h"

#include <algorithm>
#include <array>

namespace millrace::jobmanager {
namespace {

struct Move {
    JobState from;
    JobState to;
};

constexpr std::array kMoves{
    Move{JobState::kCreated, JobState::kRunning},
    Move{JobState::kCreated, JobState::kFailing},
    Move{JobState::kCreated, JobState::kCancelling},
    Move{JobState::kRunning, JobState::kFinished},
    Move{JobState::kRunning, JobState::kFailing},
    Move{JobState::kRunning, JobState::kCancelling},
    Move{JobState::kFailing, JobState::kRestarting},
    Move{JobState::kFailing, JobState::kFailed},
    Move{JobState::kFailing, JobState::kCancelling},
    Move{JobState::kRestarting, JobState::kCreated},
    Move{JobState::kRestarting, JobState::kCancelling},
    Move{JobState::kCancelling, JobState::kCanceled},
};

}  // namespace

std::string_view to_string(JobState state) {
    switch (state) {
        case JobState::kCreated:
            return "CREATED";
        case JobState::kRunning:
            return "RUNNING";
        case JobState::kFailing:
            return "FAILING";
        case JobState::kRestarting:
            return "RESTARTING";
        case JobState::kCancelling:
            return "CANCELLING";
        case JobState::kFinished:
            return "FINISHED";
        case JobState::kCanceled:
            return "CANCELED";
        case JobState::kFailed:
            return "FAILED";
    }
    return "UNKNOWN";
}

bool is_final(JobState state) {
    return std::none_of(kMoves.begin(), kMoves.end(),
                        [state](const Move& move) { return move.from == state; });
}

bool is_legal(JobState from, JobState to) {
    return std::any_of(kMoves.begin(), kMoves.end(),
                       [=](const Move& move) { return move.from == from && move.to == to; });
}

}  // namespace millrace::jobmanager
