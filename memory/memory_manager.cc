#include "memory/memory_manager.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <new>
#include <utility>

#include "memory/byte_size.h"
#include "runtime/base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace millrace::memory {
namespace {

// Under AddressSanitizer free pages are poisoned, so that use after release is caught at once.
void poison([[maybe_unused]] std::span<std::byte> bytes) {
#if defined(__SANITIZE_ADDRESS__)
    __asan_poison_memory_region(bytes.data(), bytes.size());
#endif
}

void unpoison([[maybe_unused]] std::span<std::byte> bytes) {
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(bytes.data(), bytes.size());
#endif
}

Status check_shape(const MemoryManager::Options& options) {
    constexpr std::size_t kPageMin = 4096;
    if (options.page_bytes < kPageMin || !std::has_single_bit(options.page_bytes)) {
        return fail(Code::kInvalidArgument, "page size is not a power of two from 4 KiB up: {}",
                    options.page_bytes);
    }
    if (options.slot_count == 0 || options.bytes == 0 ||
        options.bytes % (options.page_bytes * options.slot_count) != 0) {
        return fail(Code::kInvalidArgument,
                    "managed region does not divide into slots of whole pages: {} bytes, {} slots, "
                    "pages of {}",
                    options.bytes, options.slot_count, options.page_bytes);
    }
    if (options.bytes / options.page_bytes > std::numeric_limits<std::uint32_t>::max() / 2) {
        return fail(Code::kInvalidArgument,
                    "managed region has too many pages: {}. Hint: raise "
                    "taskmanager.memory.segment-size",
                    options.bytes / options.page_bytes);
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<MemoryManager>> MemoryManager::create(const Options& options) {
    MILLRACE_TRY(check_shape(options));
    MILLRACE_TRY_ASSIGN(MappedRegion region,
                        MappedRegion::map("managed", options.bytes, options.prefault));
    const std::size_t table = options.bytes / options.page_bytes * sizeof(SegmentHeader);
    MILLRACE_TRY_ASSIGN(MappedRegion headers, MappedRegion::map("segment table", table));
    return std::unique_ptr<MemoryManager>(
        new MemoryManager(options, std::move(region), std::move(headers)));
}

MemoryManager::MemoryManager(const Options& options, MappedRegion region, MappedRegion headers)
    : options_(options),
      region_(std::move(region)),
      headers_(std::move(headers)),
      free_runs_(static_cast<std::uint32_t>(options.bytes / options.page_bytes)) {
    for (std::uint32_t i = 0; i < options.slot_count; ++i) {
        slots_.push_back(
            std::make_unique<SlotMemory>(*this, i, options.bytes / options.slot_count));
    }
    poison(region_.bytes(0, region_.size()));
}

MemoryManager::~MemoryManager() {
    MILLRACE_CHECK_EQ(free_runs_.free_pages(), free_runs_.pages());
    unpoison(region_.bytes(0, region_.size()));
}

std::uint32_t MemoryManager::slot_count() const { return options_.slot_count; }

SlotMemory& MemoryManager::slot(std::uint32_t index) {
    MILLRACE_CHECK_LT(index, slots_.size());
    return *slots_[index];
}

Result<Account*> MemoryManager::open_account(const std::string& name,
                                             std::span<SlotMemory* const> slots,
                                             std::size_t bytes) {
    MILLRACE_CHECK(!slots.empty());
    const std::size_t pages = bytes / page_bytes() + (bytes % page_bytes() == 0 ? 0 : 1);
    std::vector<Account::Part> parts;
    Status filled;
    for (std::size_t i = 0; i < slots.size() && filled; ++i) {
        const std::size_t part =
            (pages / slots.size() + (i < pages % slots.size() ? 1 : 0)) * page_bytes();
        filled = slots[i]->give_to_account(part);
        if (filled) parts.push_back({slots[i], part});
    }
    if (filled) {
        const MutexLock lock(accounts_mutex_);
        if (accounts_.size() < kAccountsMax) {
            accounts_.push_back(std::make_shared<Account>(*this, name, std::move(parts)));
            return accounts_.back().get();
        }
        filled = fail(Code::kResourceExhausted, "too many accounts are open: {}", kAccountsMax);
    }
    for (const auto& part : parts) part.slot->take_from_account(part.bytes);
    return std::unexpected(std::move(filled).error().with_context(
        fmt::format("account {} of {} over {} slots cannot be filled", name, format_bytes(bytes),
                    slots.size())));
}

Status MemoryManager::close_account(Account& account) {
    MILLRACE_TRY(account.close());
    std::shared_ptr<Account> closed;
    {
        const MutexLock lock(accounts_mutex_);
        const auto found = std::ranges::find(accounts_, &account, &std::shared_ptr<Account>::get);
        MILLRACE_CHECK(found != accounts_.end());
        closed = std::move(*found);
        accounts_.erase(found);
    }
    for (const auto& part : closed->parts()) part.slot->take_from_account(part.bytes);
    return {};
}

std::size_t MemoryManager::bytes_largest_free() const {
    const MutexLock lock(pages_mutex_);
    return free_runs_.largest_free() * page_bytes();
}

std::size_t MemoryManager::bytes_in_pages() const {
    const MutexLock lock(pages_mutex_);
    return std::size_t{free_runs_.pages() - free_runs_.free_pages()} * page_bytes();
}

std::optional<Segment> MemoryManager::take_pages(MemoryPool& pool, OwnerId owner,
                                                 std::uint32_t pages) {
    std::optional<std::uint32_t> first;
    {
        const MutexLock lock(pages_mutex_);
        first = free_runs_.take(pages);
        note_peak();
    }
    if (!first) return std::nullopt;
    return make_segment(pool, owner, *first, pages);
}

std::optional<Segment> MemoryManager::take_table(MemoryPool& pool, OwnerId owner,
                                                 std::uint32_t pages) {
    const auto alignment =
        static_cast<std::uint32_t>(std::max<std::size_t>(1, kTableAlignment / page_bytes()));
    std::optional<std::uint32_t> first;
    {
        const MutexLock lock(pages_mutex_);
        first = free_runs_.take_aligned(pages, alignment);
        note_peak();
    }
    if (!first) return std::nullopt;
    Segment segment = make_segment(pool, owner, *first, pages);
    if (options_.huge_pages == MappedRegion::HugePages::kTransparent) {
        headers()[*first].is_huge = true;
        region_.prefer_huge(*first * page_bytes(), segment.size());
    }
    return segment;
}

void MemoryManager::give_pages(SegmentHeader& header) {
    const auto first = static_cast<std::uint32_t>(&header - headers());
    const std::uint32_t pages = header.pages;
    const std::size_t offset = first * page_bytes();
    const std::size_t bytes = pages * page_bytes();
    if (header.is_huge) region_.prefer_small(offset, bytes);
    poison(region_.bytes(offset, bytes));
    const MutexLock lock(pages_mutex_);
    free_runs_.give(first, pages);
}

Segment MemoryManager::make_segment(MemoryPool& pool, OwnerId owner, std::uint32_t first,
                                    std::uint32_t pages) {
    auto* header = new (headers() + first) SegmentHeader;
    header->pages = pages;
    header->owner = owner;
    header->pool = &pool;
    const std::span bytes = region_.bytes(first * page_bytes(), pages * page_bytes());
    unpoison(bytes);
    return {*header, bytes};
}

SegmentHeader* MemoryManager::headers() const {
    return reinterpret_cast<SegmentHeader*>(headers_.data());
}

void MemoryManager::note_peak() {
    pages_peak_ = std::max(pages_peak_, free_runs_.pages() - free_runs_.free_pages());
}

void MemoryManager::expire(TimePoint now) {
    for (const auto& slot : slots_) slot->expire(now);
    for (const auto& account : open_accounts()) account->expire(now);
}

std::vector<std::shared_ptr<Account>> MemoryManager::open_accounts() const {
    const MutexLock lock(accounts_mutex_);
    return accounts_;
}

MemoryReport MemoryManager::report() const {
    MemoryReport report;
    for (const auto& slot : slots_) {
        report.slots.push_back(slot->use());
        report.slots.back().bytes_in_accounts = slot->bytes_in_accounts();
    }
    for (const auto& account : open_accounts()) report.accounts.push_back(account->use());
    RegionUse& region = report.managed;
    region.name = "managed";
    region.bytes_budget = bytes();
    for (const auto& slot : report.slots) region.bytes_in_use += slot.bytes_in_use;
    for (const auto& account : report.accounts) region.bytes_in_use += account.bytes_in_use;
    const MutexLock lock(pages_mutex_);
    region.bytes_free = free_runs_.free_pages() * page_bytes();
    region.bytes_in_pages = bytes() - region.bytes_free;
    region.bytes_pages_peak = pages_peak_ * page_bytes();
    region.bytes_largest_free = free_runs_.largest_free() * page_bytes();
    region.fragmentation = free_runs_.fragmentation();
    return report;
}

}  // namespace millrace::memory
