#include "runtime/process/deployment_sums.h"

#include <algorithm>

namespace millrace::process {
namespace {

std::uint64_t region_bytes(const proto::RegisterTaskManager& taskmanager, std::string_view name) {
    for (const proto::MemoryRegion& region : taskmanager.memory()) {
        if (region.name() == name) return static_cast<std::uint64_t>(region.bytes());
    }
    return 0;
}

taskmanager::Capacity capacity_of(const proto::RegisterTaskManager& taskmanager,
                                  const jobmanager::CapacityClaim& taken) {
    const auto buffers = static_cast<std::uint64_t>(taskmanager.network_buffers());
    const std::uint64_t task_bytes = region_bytes(taskmanager, "task");
    const proto::NetworkSettings& network = taskmanager.network();
    return {.slot_bytes = static_cast<std::size_t>(taskmanager.slot_bytes()),
            .page_bytes = static_cast<std::size_t>(taskmanager.segment_bytes()),
            .buffers = buffers,
            .buffers_free = buffers - std::min(buffers, taken.network_buffers),
            .task_bytes = task_bytes,
            .task_bytes_free = task_bytes - std::min(task_bytes, taken.task_bytes),
            .buffer_settings = {
                .buffers_per_channel = network.buffers_per_channel(),
                .floating_buffers_per_gate = network.floating_buffers_per_gate(),
                .max_buffers_per_channel = network.max_buffers_per_channel(),
                .required_per_gate_max = std::max(network.required_per_gate_max(), 1U)}};
}

}  // namespace

Result<jobmanager::CapacityClaim> DeploymentSums::claim(
    const proto::Job& job, const graph::JobGraph& graph,
    std::span<const graph::Placement> placements, std::uint32_t self,
    const proto::RegisterTaskManager& taskmanager, const jobmanager::CapacityClaim& taken) const {
    if (taskmanager.segment_bytes() <= 0) {
        return fail(Code::kInvalidArgument,
                    "TaskManager {} does not say what it has. Hint: run the same version of "
                    "millrace in all processes of a cluster",
                    taskmanager.taskmanager_id());
    }
    const taskmanager::Capacity capacity = capacity_of(taskmanager, taken);
    auto need = taskmanager::need_of(job, graph, placements, self, capacity);
    Status fits;
    if (need) {
        fits = taskmanager::check_fit(*need, capacity);
    } else {
        fits = std::unexpected(std::move(need).error());
    }
    if (!fits) {
        return std::unexpected(std::move(fits).error().with_context(fmt::format(
            "job {} does not fit in TaskManager {}", job.name(), taskmanager.taskmanager_id())));
    }
    return jobmanager::CapacityClaim{.network_buffers = need->buffers().required,
                                     .task_bytes = need->kafka_bytes()};
}

}  // namespace millrace::process
