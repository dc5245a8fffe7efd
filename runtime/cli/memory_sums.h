// What a job would take of memory, as `explain` prints it before anything runs.
//
// Threads:    main's.
// Ownership:  values; main() hands the command line a function that fills them, since the sums need
//             what operators know.
// Limits:     as many entries as the job has tasks, models and Kafka clients.
// Failure:    `refusal` says why the job would not be deployed; `explain` then ends with 78.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/cli/command_line.h"

namespace millrace::proto {
class Job;
}

namespace millrace::cli {

struct ModelSum {
    std::string name;
    std::uint64_t bytes = 0;  // Of its account: table, view, dirty map, queues.
    // Of these:
    std::uint64_t table_bytes = 0;
    std::uint64_t view_bytes = 0;
    std::uint32_t bits = 0;
};

// The subtasks of one vertex in one TaskManager.
struct TaskSum {
    std::string name;
    std::uint32_t count = 0;
    std::uint64_t working_set_bytes = 0;  // Of each.
    // Of all of them.
    std::uint64_t buffers_required = 0;
    std::uint64_t buffers_target = 0;
};

struct KafkaClientSum {
    std::string role;  // "consumer" or "producer".
    std::vector<std::string> nodes;
    std::uint64_t bytes = 0;
};

// What the job takes of one TaskManager, and what that one has.
struct TaskManagerSum {
    std::uint32_t number = 1;  // Among those of the command line, from 1.
    std::uint32_t slots = 0;
    std::uint64_t slot_bytes_needed = 0;  // Of the slot that needs most.
    std::uint64_t slot_bytes = 0;
    std::uint64_t window_bytes = 0;  // Of a channel between two of its tasks.
    std::uint64_t managed_bytes = 0;
    std::uint64_t buffers = 0;
    std::uint64_t buffer_bytes = 0;
    std::uint64_t task_bytes = 0;
    std::vector<ModelSum> models;
    std::vector<TaskSum> tasks;
    std::vector<KafkaClientSum> clients;
    std::string refusal;  // Empty: it fits.

    [[nodiscard]] std::uint64_t model_bytes() const;
    [[nodiscard]] std::uint64_t working_set_bytes() const;
    [[nodiscard]] std::uint64_t buffers_required() const;
    [[nodiscard]] std::uint64_t buffers_target() const;
    [[nodiscard]] std::uint64_t kafka_bytes() const;
};

struct MemorySums {
    std::uint32_t slots_needed = 0;       // By the job.
    std::uint32_t slots_together = 0;     // How many of them one TaskManager must have.
    std::uint32_t taskmanager_count = 1;  // As the command line says.
    std::uint64_t process_bytes = 0;      // Of each TaskManager.
    std::uint32_t slots = 0;              // Of each TaskManager.
    bool has_assumed_slots = false;       // No setting says how many: as many as the job needs.
    std::vector<TaskManagerSum> taskmanagers;  // Those that would get tasks.

    [[nodiscard]] bool is_refused() const;
};

// The sums for as many TaskManagers as the command line says, with its settings. Errors: settings
// that cannot be; too few slots.
using SumMemory = std::function<Result<MemorySums>(const CommandLine& line, const proto::Job& job)>;

// The odds that a new key shares its cell with one of `keys` others: 1 - exp(-keys / 2^bits).
[[nodiscard]] double collision_odds(double keys, std::uint32_t bits);

[[nodiscard]] std::string text_of(const MemorySums& sums);
[[nodiscard]] std::string json_of(const MemorySums& sums, const std::string& job);

}  // namespace millrace::cli
