// What the memory objects say about themselves, for REST, metrics, logs and error texts.
//
// The sums hold by construction: a budget's in_use is the sum over its owners, and the managed
// region's in_use is the sum over its slots and accounts.
//
// Threads:    values.
// Ownership:  copies; nothing refers back into the pools.
// Limits:     as many entries as there are slots, accounts and owners.
// Failure:    none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "memory/owner.h"

namespace millrace::memory {

// One owner. bytes_now = max(reserved, in pages).
struct OwnerUse {
    OwnerTag tag;
    std::size_t bytes_now = 0;
    std::size_t bytes_peak = 0;
    std::size_t bytes_reserved = 0;
    std::size_t bytes_in_pages = 0;
};

// One budget: a slot, an account, or a region without pages.
struct BudgetUse {
    std::string name;
    std::size_t bytes_limit = 0;
    std::size_t bytes_in_use = 0;
    std::size_t bytes_peak = 0;
    std::size_t bytes_in_pages = 0;
    std::size_t bytes_in_accounts =
        0;  // Slots only: what they gave to accounts, not in bytes_limit.
    std::uint64_t refusals = 0;
    std::size_t waiters = 0;
    std::vector<OwnerUse> owners;  // Largest first; also those that hold nothing now.
};

// One region of the process. For regions of pages, bytes_largest_free is the longest free run and
// fragmentation is 1 - longest run / free bytes (0 when nothing is free).
struct RegionUse {
    std::string name;
    std::size_t bytes_budget = 0;
    std::size_t bytes_in_use = 0;    // Reserved or in pages.
    std::size_t bytes_in_pages = 0;  // Handed out as pages.
    std::size_t bytes_pages_peak = 0;
    std::size_t bytes_free = 0;  // Pages not handed out.
    std::size_t bytes_largest_free = 0;
    double fragmentation = 0;
};

// The managed region with everything in it.
struct MemoryReport {
    RegionUse managed;
    std::vector<BudgetUse> slots;
    std::vector<BudgetUse> accounts;
};

// Largest bytes_now first, equal ones by name.
void sort_largest_first(std::vector<OwnerUse>& owners);

// The `count` largest holders as text, for example "ctr/train[0]/table 64 MiB, ..."; "nobody" when
// there is none. REQUIRES: owners sorted by bytes_now, largest first.
[[nodiscard]] std::string largest_holders(const std::vector<OwnerUse>& owners, std::size_t count);

}  // namespace millrace::memory
