// Divides a process's memory into its regions, once, from one number.
//
//   process = total + overhead
//     total = framework   scheduler, RPC, metrics, logs, tables of the memory manager
//           + task        operator code, queues of client libraries; what the others leave
//           + managed     state, models, batches: MemoryManager, divided into slots
//           + network     buffers between tasks: NetworkBufferPool
//     overhead            code pages, stacks, allocator slack, safety margin
//
// Whichever of these is set first in this order decides: A task.size and managed.size, B
// flink.size (the total), C process.size; without any of them C with the cgroup limit, else with
// the caller's default. Sizes beat fractions; fractions are exact decimals, rounded down to bytes.
// Managed is rounded down to slots x segment size, network to the segment size, and what that
// leaves goes to task.
//
// Threads:    a value.
// Ownership:  none.
// Limits:     the regions sum to `process` exactly, and `process` is within the cgroup limit.
// Failure:    kInvalidOption listing every violation with file and line, and the regions as far as
//             they are known; the process must not open a port then (exit code 78).

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "memory/buffer_requirements.h"
#include "memory/consumer_shares.h"
#include "memory/mapped_region.h"
#include "memory/memory_keys.h"
#include "runtime/base/status.h"

namespace millrace::memory {

// Where a region's size comes from.
enum class RegionSource : unsigned char { kSet, kDerived, kCapped, kDefault };
[[nodiscard]] std::string_view to_string(RegionSource source);

struct RegionSize {
    std::uint64_t bytes = 0;
    RegionSource source = RegionSource::kDerived;
};

// What the derivation must know besides the settings.
struct MachineMemory {
    std::optional<std::uint64_t> cgroup_limit_bytes;
    std::optional<std::uint64_t> process_bytes_default;  // Of the shipped configuration.
    std::optional<std::uint64_t> physical_bytes = {};
};

struct MemoryBudget {
    RegionSize process;
    RegionSize total;  // process - overhead; Flink's "total Flink memory".
    RegionSize framework;
    RegionSize task;
    RegionSize managed;
    RegionSize network;
    RegionSize overhead;

    std::uint32_t slot_count = 1;
    std::uint64_t segment_bytes = 32 << 10;  // Page of managed memory and network buffer alike.
    BufferSettings buffers;
    ConsumerWeights consumer_weights = kDefaultConsumerWeights;
    MappedRegion::HugePages huge_pages = MappedRegion::HugePages::kTransparent;
    MappedRegion::Prefault prefault = MappedRegion::Prefault::kNo;
    // For the log: caps that changed what was set, keys without effect.
    std::vector<std::string> warnings;

    // Derives a TaskManager's budget. Settings of the JobManager are checked and passed over.
    static Result<MemoryBudget> derive(std::span<const Setting> settings,
                                       const MachineMemory& machine);

    [[nodiscard]] std::uint64_t managed_pages() const { return managed.bytes / segment_bytes; }
    [[nodiscard]] std::uint64_t slot_bytes() const { return managed.bytes / slot_count; }
    [[nodiscard]] std::uint32_t network_buffers() const;
    // The regions, one a line, with bytes, MiB and source: what is printed at start.
    [[nodiscard]] std::string table() const;
    // Verifies that an idle process, its own mapped pages apart, fits framework and overhead.
    [[nodiscard]] Status check_idle_resident(std::uint64_t resident_bytes,
                                             std::uint64_t committed_page_bytes) const;
};

// A JobManager's two regions.
struct JobManagerBudget {
    RegionSize process;
    RegionSize working;
    RegionSize overhead;
    std::vector<std::string> warnings;

    // Derives from jobmanager.memory.flink.size (the working memory), else from process.size, else
    // from the machine as above. Settings of the TaskManager are checked and passed over.
    static Result<JobManagerBudget> derive(std::span<const Setting> settings,
                                           const MachineMemory& machine);
    [[nodiscard]] std::string table() const;
};

}  // namespace millrace::memory
