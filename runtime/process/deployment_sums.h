// Fits jobs into TaskManagers by the sums with which these deploy them.
//
// Threads:    any; pure.
// Failure:    kResourceExhausted with the numbers, the job's and the TaskManager's name.

#pragma once

#include "runtime/cli/memory_sums.h"
#include "runtime/jobmanager/capacity_plan.h"
#include "runtime/taskmanager/deployment_need.h"

namespace millrace::process {

class DeploymentSums final : public jobmanager::CapacityPlan {
  public:
    Result<jobmanager::CapacityClaim> claim(const proto::Job& job, const graph::JobGraph& graph,
                                            std::span<const graph::Placement> placements,
                                            std::uint32_t self,
                                            const proto::RegisterTaskManager& taskmanager,
                                            const jobmanager::CapacityClaim& taken) const override;
};

// The same sums for TaskManagers that do not run yet, with the settings of the command line. A
// TaskManager has the slots that the job needs of it, unless a setting says otherwise.
Result<cli::MemorySums> sum_memory(const cli::CommandLine& line, const proto::Job& job);

}  // namespace millrace::process
