// Owns a TaskManager's network region and divides its buffers among the local pools.
//
// Every local pool has a floor, which is promised, and a ceiling. What no floor claims is divided
// in proportion to what each pool could still use (redistribution.h), anew at every change. A
// buffer that a pool has on loan above its share is not taken away; it goes to another pool when it
// comes back.
//
// Threads:    any; one lock for the parent and all its pools, because a division concerns them all.
// Ownership:  owns the mapping; must outlive its pools and buffers, checked by the destructor.
// Limits:     `buffers`, fixed at start; the floors and unpooled buffers together never exceed it.
// Failure:    kResourceExhausted with the numbers and the three keys. Never blocks.

#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "memory/local_buffer_pool.h"
#include "memory/mapped_region.h"
#include "memory/memory_report.h"
#include "memory/network_buffer.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_annotations.h"

namespace millrace::memory {

// One local pool as its parent sees it.
struct LocalPoolRecord {
    std::string name;
    LocalBufferPool::Limits limits{};
    std::function<void()> on_available;
    std::uint32_t buffers_now = 0;
    std::uint32_t lent = 0;
    std::uint32_t calls = 0;  // Of on_available, begun and not ended.
    bool is_waiting = false;
};

class NetworkBufferPool {
  public:
    struct Options {
        std::uint32_t buffers = 0;
        std::size_t buffer_bytes = 32 << 10;  // A multiple of 4 KiB.
        MappedRegion::Prefault prefault = MappedRegion::Prefault::kNo;
    };

    // Errors: kInvalidArgument for impossible sizes, kResourceExhausted when mapping fails.
    static Result<std::unique_ptr<NetworkBufferPool>> create(const Options& options);

    NetworkBufferPool(const NetworkBufferPool&) = delete;
    NetworkBufferPool& operator=(const NetworkBufferPool&) = delete;
    // REQUIRES: every pool is destroyed and every buffer has come back.
    ~NetworkBufferPool();

    // Grants the floor and makes the pool; see LocalBufferPool. `name` stands in reports.
    Result<std::unique_ptr<LocalBufferPool>> create_pool(std::string name,
                                                         LocalBufferPool::Limits limits,
                                                         std::function<void()> on_available)
        MILLRACE_EXCLUDES(mutex_);
    // Lends `count` buffers outside every local pool; each counts as promised until it comes back.
    // Fails with kResourceExhausted when floors leave fewer, and with kUnavailable when enough are
    // promised but are still on loan above the floors of others. All or nothing.
    Result<std::vector<NetworkBuffer>> lend_unpooled(std::uint32_t count) MILLRACE_EXCLUDES(mutex_);

    [[nodiscard]] std::uint32_t buffers() const { return options_.buffers; }
    [[nodiscard]] std::size_t buffer_bytes() const { return options_.buffer_bytes; }
    // Buffers neither on loan nor kept free for a pool that is below its floor.
    [[nodiscard]] std::uint32_t available() const MILLRACE_EXCLUDES(mutex_);
    // Buffers on loan, pooled or not.
    [[nodiscard]] std::uint32_t in_use() const MILLRACE_EXCLUDES(mutex_);
    // Sum of all floors and of the unpooled buffers on loan.
    [[nodiscard]] std::uint32_t required() const MILLRACE_EXCLUDES(mutex_);
    // Region figures; every local pool is one owner-like entry of the returned budget.
    [[nodiscard]] BudgetUse use() const MILLRACE_EXCLUDES(mutex_);

  private:
    friend class LocalBufferPool;
    friend class NetworkBuffer;
    using Bells = std::vector<LocalPoolRecord*>;

    NetworkBufferPool(const Options& options, MappedRegion region);

    // For LocalBufferPool.
    LocalPoolRecord* attach(std::string name, LocalBufferPool::Limits limits,
                            std::function<void()> on_available) MILLRACE_EXCLUDES(mutex_);
    void detach(LocalPoolRecord* record) MILLRACE_EXCLUDES(mutex_);
    std::optional<NetworkBuffer> try_lend(LocalPoolRecord& record) MILLRACE_EXCLUDES(mutex_);
    // For NetworkBuffer: the last handle has gone.
    void take_back(NetworkBufferHeader& header) MILLRACE_EXCLUDES(mutex_);

    [[nodiscard]] bool can_lend(const LocalPoolRecord& record) const MILLRACE_REQUIRES(mutex_);
    NetworkBuffer lend(LocalPoolRecord* lender) MILLRACE_REQUIRES(mutex_);
    void redistribute() MILLRACE_REQUIRES(mutex_);
    Bells bells_to_ring() MILLRACE_REQUIRES(mutex_);
    void ring(const Bells& bells) MILLRACE_EXCLUDES(mutex_);
    [[nodiscard]] Error shortage(std::uint32_t wanted) const MILLRACE_REQUIRES(mutex_);

    // Constant after construction.
    const Options options_;
    MappedRegion region_;
    std::vector<NetworkBufferHeader> headers_;

    mutable Mutex mutex_;
    std::condition_variable_any calls_ended_;
    std::vector<std::uint32_t> free_ MILLRACE_GUARDED_BY(mutex_);  // A stack: the warmest on top.
    std::list<LocalPoolRecord> records_ MILLRACE_GUARDED_BY(mutex_);
    std::deque<LocalPoolRecord*> waiting_ MILLRACE_GUARDED_BY(mutex_);
    std::uint32_t floors_ MILLRACE_GUARDED_BY(mutex_) = 0;
    std::uint32_t floors_granted_ MILLRACE_GUARDED_BY(mutex_) = 0;  // Of pools not yet attached.
    std::uint32_t unpooled_ MILLRACE_GUARDED_BY(mutex_) = 0;
    std::uint32_t kept_for_floors_ MILLRACE_GUARDED_BY(mutex_) = 0;  // Sum of floor - lent, if > 0.
    std::uint32_t lent_peak_ MILLRACE_GUARDED_BY(mutex_) = 0;
    std::uint64_t refusals_ MILLRACE_GUARDED_BY(mutex_) = 0;
};

}  // namespace millrace::memory
