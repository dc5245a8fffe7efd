// The states of a task and the moves between them, in one table.
//
//   created -> initializing -> running -> finished
//      |            |             |
//      +------------+-------------+---> failed | canceled
//
// Threads:    values.
// Failure:    a move that is not in the table is our bug and aborts.

#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::task {

enum class TaskState : std::uint8_t {
    kCreated,       // Made; never stepped.
    kInitializing,  // Opens and restores its operators.
    kRunning,
    kFinished,  // All input ended, all output left.
    kFailed,
    kCanceled,
};

// As in Flink's REST answers: "RUNNING".
[[nodiscard]] std::string_view to_string(TaskState state);
[[nodiscard]] bool is_terminal(TaskState state);
[[nodiscard]] bool is_legal_move(TaskState from, TaskState to);

}  // namespace millrace::task
