#include "runtime/task/task_state.h"

#include <array>
#include <utility>

namespace millrace::task {

namespace {

using enum TaskState;

constexpr std::array<std::pair<TaskState, TaskState>, 9> kMoves{{
    {kCreated, kInitializing},
    {kCreated, kCanceled},
    {kCreated, kFailed},
    {kInitializing, kRunning},
    {kInitializing, kFailed},
    {kInitializing, kCanceled},
    {kRunning, kFinished},
    {kRunning, kFailed},
    {kRunning, kCanceled},
}};

}  // namespace

std::string_view to_string(TaskState state) {
    switch (state) {
        case kCreated:
            return "CREATED";
        case kInitializing:
            return "INITIALIZING";
        case kRunning:
            return "RUNNING";
        case kFinished:
            return "FINISHED";
        case kFailed:
            return "FAILED";
        case kCanceled:
            return "CANCELED";
    }
    return "UNKNOWN";
}

bool is_terminal(TaskState state) {
    return state == kFinished || state == kFailed || state == kCanceled;
}

bool is_legal_move(TaskState from, TaskState to) {
    for (const auto& move : kMoves) {
        if (move == std::pair{from, to}) return true;
    }
    return false;
}

}  // namespace millrace::task
