// What a job takes of a TaskManager, by interface: the sums need what operators know, which the
// JobManager may not use, so main() hands it an implementation.
//
// Threads:    any; pure.
// Ownership:  borrows its arguments for the call.
// Limits:     none of its own.
// Failure:    kResourceExhausted with what is needed, what is free and the key to raise.

#pragma once

#include <cstdint>
#include <span>

#include "proto/control.pb.h"
#include "proto/job.pb.h"
#include "runtime/base/status.h"
#include "runtime/graph/job_graph.h"
#include "runtime/graph/schedule.h"

namespace millrace::jobmanager {

// What the jobs in a TaskManager share and take from each other. Slots are not here: a slot and its
// managed memory belong to one job at a time.
struct CapacityClaim {
    std::uint64_t network_buffers = 0;
    std::uint64_t task_bytes = 0;

    CapacityClaim& operator+=(const CapacityClaim& other) {
        network_buffers += other.network_buffers;
        task_bytes += other.task_bytes;
        return *this;
    }
    bool operator==(const CapacityClaim&) const = default;
};

class CapacityPlan {
  public:
    virtual ~CapacityPlan() = default;

    // What the tasks that `placements` puts on TaskManager number `self` take of it, when jobs that
    // run there hold `taken`. Errors: kResourceExhausted when it does not fit.
    virtual Result<CapacityClaim> claim(const proto::Job& job, const graph::JobGraph& graph,
                                        std::span<const graph::Placement> placements,
                                        std::uint32_t self,
                                        const proto::RegisterTaskManager& taskmanager,
                                        const CapacityClaim& taken) const = 0;
};

}  // namespace millrace::jobmanager
