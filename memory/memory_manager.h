// Owns a TaskManager's managed region: its address range, its free pages, its slots and accounts.
//
// The range is mapped at start and touched on first use. Free runs of pages are known in address
// order and merge by themselves when neighbours are freed. Single pages and short runs are taken
// from the low end, tables (2 MiB-aligned, huge pages) from the high end, so that short-lived small
// runs do not cut up the space in which the large ones stand.
//
// Threads:    any.
// Ownership:  owns the mapping, the slots and the accounts; must outlive every segment and
//             reservation, checked by the destructor.
// Limits:     `bytes`, fixed at start; kAccountsMax accounts. The limits of all slots and accounts
//             together are exactly the region.
// Failure:    create() answers kResourceExhausted when the range cannot be mapped. Later nothing is
//             allocated beyond the region.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "memory/account.h"
#include "memory/free_runs.h"
#include "memory/mapped_region.h"
#include "memory/memory_report.h"
#include "memory/slot_memory.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_annotations.h"

namespace millrace::memory {

class MemoryManager {
  public:
    static constexpr std::size_t kTableAlignment = MappedRegion::kAlignment;
    static constexpr std::size_t kAccountsMax = 1024;

    struct Options {
        std::size_t bytes = 0;              // A multiple of slot_count x page_bytes.
        std::size_t page_bytes = 32 << 10;  // A power of two, at least 4 KiB.
        std::uint32_t slot_count = 1;
        MappedRegion::HugePages huge_pages = MappedRegion::HugePages::kTransparent;
        MappedRegion::Prefault prefault = MappedRegion::Prefault::kNo;
    };

    // Errors: kInvalidArgument for impossible sizes, kResourceExhausted when mapping fails.
    static Result<std::unique_ptr<MemoryManager>> create(const Options& options);

    MemoryManager(const MemoryManager&) = delete;
    MemoryManager& operator=(const MemoryManager&) = delete;
    // REQUIRES: every page and every reservation has come back.
    ~MemoryManager();

    [[nodiscard]] std::uint32_t slot_count() const;
    // REQUIRES: index < slot_count().
    [[nodiscard]] SlotMemory& slot(std::uint32_t index);

    // Opens an account of `bytes` (rounded up to pages), filled in equal parts from `slots`; pages
    // that do not divide come from the first of them. All or nothing. Errors: kResourceExhausted
    // naming the slot that lacks room. REQUIRES: `slots` is not empty and names no slot twice.
    Result<Account*> open_account(const std::string& name, std::span<SlotMemory* const> slots,
                                  std::size_t bytes) MILLRACE_EXCLUDES(accounts_mutex_);
    // Verifies that the account is empty, gives the parts back and destroys it. Otherwise names
    // each leaker; the account stays open and closing may be tried again.
    Status close_account(Account& account) MILLRACE_EXCLUDES(accounts_mutex_);

    // Ends the waiting requests of all slots and accounts whose deadline has come.
    void expire(TimePoint now) MILLRACE_EXCLUDES(accounts_mutex_);

    [[nodiscard]] std::size_t page_bytes() const { return options_.page_bytes; }
    [[nodiscard]] std::size_t bytes() const { return options_.bytes; }
    // Length of the longest run of free pages.
    [[nodiscard]] std::size_t bytes_largest_free() const MILLRACE_EXCLUDES(pages_mutex_);
    // Bytes handed out as pages.
    [[nodiscard]] std::size_t bytes_in_pages() const MILLRACE_EXCLUDES(pages_mutex_);
    // A snapshot. Every slot and account is consistent in itself.
    [[nodiscard]] MemoryReport report() const MILLRACE_EXCLUDES(accounts_mutex_)
        MILLRACE_EXCLUDES(pages_mutex_);

  private:
    friend class MemoryPool;

    MemoryManager(const Options& options, MappedRegion region, MappedRegion headers);

    // Called by pools, which have charged the pages to an owner before.
    std::optional<Segment> take_pages(MemoryPool& pool, OwnerId owner, std::uint32_t pages);
    std::optional<Segment> take_table(MemoryPool& pool, OwnerId owner, std::uint32_t pages);
    void give_pages(SegmentHeader& header);
    Segment make_segment(MemoryPool& pool, OwnerId owner, std::uint32_t first, std::uint32_t pages);
    [[nodiscard]] SegmentHeader* headers() const;
    void note_peak() MILLRACE_REQUIRES(pages_mutex_);
    [[nodiscard]] std::vector<std::shared_ptr<Account>> open_accounts() const
        MILLRACE_EXCLUDES(accounts_mutex_);

    // Constant after construction.
    const Options options_;
    MappedRegion region_;
    MappedRegion headers_;  // SegmentHeader[pages], touched where segments begin.
    std::vector<std::unique_ptr<SlotMemory>> slots_;

    mutable Mutex pages_mutex_;
    FreeRuns free_runs_ MILLRACE_GUARDED_BY(pages_mutex_);
    std::uint32_t pages_peak_ MILLRACE_GUARDED_BY(pages_mutex_) = 0;

    mutable Mutex accounts_mutex_;
    // Shared with those that look at them while they are being closed.
    std::vector<std::shared_ptr<Account>> accounts_ MILLRACE_GUARDED_BY(accounts_mutex_);
};

}  // namespace millrace::memory
