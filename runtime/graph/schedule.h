// Decides in which slot of which TaskManager every subtask runs. Pure.
//
// One slot may hold one subtask of each vertex (slot sharing), so a job needs as many slots as its
// largest parallelism. Subtasks of a vertex are spread evenly over the slots, and slots over the
// TaskManagers. Vertices that share a model stand in one TaskManager, since a model's table has one
// writer and its view is read in place.
//
// Threads:    values.
// Failure:    kResourceExhausted with what is needed, what is free and which key to raise.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/graph/job_graph.h"

namespace millrace::graph {

// What a TaskManager has to give.
struct SlotOffer {
    std::string taskmanager;
    std::vector<std::uint32_t> free_slots;
    std::uint32_t slots = 0;  // Free or not.
};

// Where one subtask runs.
struct Placement {
    std::uint32_t vertex = 0;
    std::uint32_t subtask = 0;
    std::uint32_t taskmanager = 0;  // Index into the offers.
    std::uint32_t slot = 0;         // Number of the slot in that TaskManager.

    bool operator==(const Placement&) const = default;
};

// All subtasks, ordered by vertex and subtask. Deterministic for the same graph and offers.
Result<std::vector<Placement>> schedule(const JobGraph& graph, std::span<const SlotOffer> offers);

}  // namespace millrace::graph
