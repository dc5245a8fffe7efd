// A slot's memory for tests: one region, one slot, one owner, and a BatchMemory over it.
//
// Threads:    those of MemoryManager.
// Ownership:  owns the region; must outlive every batch made in it, which its destructor checks.
// Limits:     `bytes`.
// Failure:    aborts.

#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "memory/memory_manager.h"
#include "memory/memory_pool.h"
#include "runtime/base/check.h"
#include "runtime/data/batch_memory.h"

namespace millrace::test {

class SlotWorld {
  public:
    explicit SlotWorld(std::size_t bytes = std::size_t{64} << 20)
        : manager_(make_manager(bytes)), owner_(make_owner(manager_->slot(0))) {}

    [[nodiscard]] memory::MemoryManager& manager() { return *manager_; }
    [[nodiscard]] memory::MemoryPool& slot() { return manager_->slot(0); }
    [[nodiscard]] memory::OwnerId owner() const { return owner_.id(); }
    [[nodiscard]] data::BatchMemory& batches() { return batches_; }

  private:
    static std::unique_ptr<memory::MemoryManager> make_manager(std::size_t bytes) {
        memory::MemoryManager::Options options;
        options.bytes = bytes;
        auto manager = memory::MemoryManager::create(options);
        MILLRACE_CHECK(manager.has_value());
        return *std::move(manager);
    }
    static memory::MemoryOwner make_owner(memory::MemoryPool& pool) {
        auto owner = memory::MemoryOwner::of(
            pool, {.job = "job", .operator_name = "step", .purpose = memory::Purpose::kBatch});
        MILLRACE_CHECK(owner.has_value());
        return *owner;
    }

    std::unique_ptr<memory::MemoryManager> manager_;
    memory::MemoryOwner owner_;
    data::BatchMemory batches_{manager_->slot(0), owner_.id()};
};

}  // namespace millrace::test
