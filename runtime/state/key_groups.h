// Key groups: the finest division of keys, and which subtask owns which of them.
//
// A key's group is its murmur hash modulo the number of groups, fixed for a job's life; each
// subtask owns a contiguous range of groups. So state written at one parallelism can be read back
// at any other, group by group, and rows find their way by the same rule.
//
// Threads:    pure functions.
// Limits:     at most as many subtasks as groups own anything (runtime/base/key_groups.h says how
//             many there are).
// Failure:    none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace millrace::state {

// MurmurHash3, 32 bits (Appleby). Chain several key columns by passing the hash so far as `seed`.
[[nodiscard]] std::uint32_t murmur3(std::span<const std::byte> bytes, std::uint32_t seed);

// REQUIRES: key_groups > 0.
[[nodiscard]] constexpr std::uint32_t key_group_of(std::uint32_t hash, std::uint32_t key_groups) {
    return hash % key_groups;
}

// The subtask that owns `group`. REQUIRES: group < key_groups, 0 < parallelism <= key_groups.
[[nodiscard]] constexpr std::uint32_t subtask_of(std::uint32_t group, std::uint32_t parallelism,
                                                 std::uint32_t key_groups) {
    return group * parallelism / key_groups;
}

struct KeyGroupRange {
    std::uint32_t first = 0;
    std::uint32_t end = 0;  // One behind the last; equal to `first` when there are none.

    bool operator==(const KeyGroupRange&) const = default;
};

// The groups of one subtask: exactly those that subtask_of() maps to it.
[[nodiscard]] constexpr KeyGroupRange range_of(std::uint32_t subtask, std::uint32_t parallelism,
                                               std::uint32_t key_groups) {
    const auto begin = [&](std::uint32_t s) {
        return (s * key_groups + parallelism - 1) / parallelism;
    };
    return {.first = begin(subtask), .end = begin(subtask + 1)};
}

}  // namespace millrace::state
