// Decides which tasks change their worker, from how long each of them ran in the last second. Pure.
//
// Moves one task at a time from the busiest to the idlest worker as long as that brings the busier
// of the two down by at least kGainMin; a move costs cold caches, so small differences stay.
//
// Threads:    values.
// Limits:     kMovesMax moves a call.
// Failure:    none.

#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace millrace::task {

struct TaskLoad {
    std::size_t worker = 0;  // Where it is at home.
    double busy = 0;         // Share of the last second that it ran, 0 to 1.
};

struct TaskMove {
    std::size_t task = 0;  // Index into the loads.
    std::size_t to = 0;    // Worker.

    bool operator==(const TaskMove&) const = default;
};

inline constexpr std::size_t kMovesMax = 4;
inline constexpr double kGainMin = 0.05;  // Of one core.

// REQUIRES: every load's worker < workers.
[[nodiscard]] std::vector<TaskMove> plan_moves(std::span<const TaskLoad> loads,
                                               std::size_t workers);

}  // namespace millrace::task
