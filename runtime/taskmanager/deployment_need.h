// What a job takes of one TaskManager, summed before anything is deployed.
//
// The one place of these sums: `explain` prints them, the JobManager refuses a job by them, and the
// TaskManager deploys by them, so the three cannot disagree.
//
//   models          an account each, filled in equal parts from the job's slots here
//   working sets    batches and windows of each task, and its operators' scratch, from its slot;
//                   what models leave
//   network buffers floors of gates and partitions with ends in other TaskManagers
//   Kafka clients   queues, from the task region
//
// Threads:    pure.
// Ownership:  values.
// Limits:     those of the graph.
// Failure:    need_of() answers what a description lacks; check_fit() kResourceExhausted with the
//             numbers and the keys to raise.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "memory/buffer_requirements.h"
#include "operators/kafka/client_plan.h"
#include "runtime/base/status.h"
#include "runtime/graph/job_graph.h"
#include "runtime/graph/schedule.h"

namespace millrace::proto {
class Job;
}

namespace millrace::taskmanager {

// What a TaskManager has; free = what other jobs leave.
struct Capacity {
    std::size_t slot_bytes = 0;
    std::size_t page_bytes = 32 << 10;  // Of managed memory, and a network buffer.
    std::uint64_t buffers = 0;
    std::uint64_t buffers_free = 0;
    std::size_t task_bytes = 0;
    std::size_t task_bytes_free = 0;
    memory::BufferSettings buffer_settings;
};

struct ModelNeed {
    std::string name;
    std::size_t bytes = 0;  // Of its account, in whole pages.
};

// What an operator holds beside batches.
struct ScratchNeed {
    std::uint32_t op = 0;   // Index in the graph.
    std::size_t bytes = 0;  // In whole pages.
};

struct TaskNeed {
    graph::Placement placement;
    std::size_t batch_bytes = 0;       // In whole pages.
    std::vector<ScratchNeed> scratch;  // Of its operators that hold some.
    memory::BufferNeed buffers;

    [[nodiscard]] std::size_t working_set_bytes() const;
};

struct DeploymentNeed {
    std::vector<ModelNeed> models;
    std::vector<TaskNeed> tasks;  // Those here.
    std::size_t window_bytes = 0;
    std::vector<operators::PlannedClient> clients;
    // Of each client; the least there is when check_fit() refuses it.
    operators::KafkaMemory kafka;

    [[nodiscard]] std::size_t model_bytes() const;
    [[nodiscard]] memory::BufferNeed buffers() const;
    [[nodiscard]] std::size_t kafka_bytes() const { return operators::bytes_of(clients, kafka); }
    // Models and working sets, by slot.
    [[nodiscard]] std::map<std::uint32_t, std::size_t> bytes_by_slot(std::size_t page_bytes) const;
};

// What the tasks that `placements` puts on TaskManager `self` take, with the widest window that
// fits. REQUIRES: `job` was validated, `graph` is its plan.
Result<DeploymentNeed> need_of(const proto::Job& job, const graph::JobGraph& graph,
                               std::span<const graph::Placement> placements, std::uint32_t self,
                               const Capacity& capacity);

// Errors: kResourceExhausted; kInvalidOption for properties of Kafka clients that ask for more than
// these get.
Status check_fit(const DeploymentNeed& need, const Capacity& capacity);

// Bytes that one task may hold in batches and windows, summed with its reasons.
[[nodiscard]] std::size_t batch_bytes(const graph::JobGraph& graph, std::uint32_t vertex,
                                      std::size_t window_bytes);

}  // namespace millrace::taskmanager
