// Says how many network buffers an input gate and a result partition need, from the shape of the
// job's graph alone. Pure.
//
// The need is known before deployment, so a job that cannot have its buffers is refused with the
// number instead of failing when its tasks start. Channels inside one process hand batches over by
// reference: they own no exclusive buffer, and a gate or partition with no other channels needs
// none at all.
//
//                        required                               target
//   gate, c channels     min(c * exclusive + 1, gate maximum)   c * exclusive + floating
//   partition, s of them s + 1                                  s * exclusive + floating
//
// Threads:    values.
// Ownership:  none.
// Limits:     64-bit sums; no overflow below 2^31 channels.
// Failure:    none.

#pragma once

#include <cstdint>
#include <limits>

namespace millrace::memory {

// taskmanager.network.memory.*
struct BufferSettings {
    std::uint32_t buffers_per_channel = 2;
    std::uint32_t floating_buffers_per_gate = 8;
    std::uint32_t max_buffers_per_channel = 10;  // Of one subpartition's output queue.
    std::uint32_t required_per_gate_max = std::numeric_limits<std::uint32_t>::max();
};

// The channels of one gate, or the subpartitions of one partition, by where the other end is.
struct Channels {
    std::uint32_t remote = 0;
    std::uint32_t local = 0;
};

struct BufferNeed {
    std::uint64_t required = 0;  // Floor: without these the task does not start.
    std::uint64_t target = 0;    // Ceiling: what it can put to use.

    BufferNeed& operator+=(const BufferNeed& other);
    friend bool operator==(const BufferNeed&, const BufferNeed&) = default;
};

// How a gate uses what it gets.
struct GateNeed {
    BufferNeed need;
    std::uint32_t exclusive_per_channel = 0;  // Less than configured when the gate maximum bites.
    std::uint64_t floating_required = 0;      // required - channels * exclusive_per_channel.
    std::uint64_t floating_max = 0;           // target - channels * exclusive_per_channel.
};

[[nodiscard]] GateNeed need_of_gate(const BufferSettings& settings, Channels channels);
[[nodiscard]] BufferNeed need_of_partition(const BufferSettings& settings, Channels subpartitions);

}  // namespace millrace::memory
