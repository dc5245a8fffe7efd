// A budget whose bytes are real pages of the TaskManager's managed region: the common part of
// SlotMemory and Account, and the type that everything which holds memory takes.
//
//   MemoryManager      one per TaskManager; owns the mapped region and the table of free runs
//     SlotMemory  x n  owned by the manager; a hard budget over the region, not an address range
//     Account     x m  owned by the manager; a budget that slots filled together (a model's)
//       Segment        pages; owned by whoever holds a handle, charged to one owner of one budget
//       Reservation    bytes without pages; owned by whoever holds it, charged likewise
//
// Threads:    any. Takes its own lock and then the region's, never both at once.
// Ownership:  owned by the MemoryManager; must outlive its segments and reservations.
// Limits:     that of the budget; requests are rounded up to whole pages.
// Failure:    kResourceExhausted. When the budget has room but no run of pages is long enough, the
//             text says so with the longest run.

#pragma once

#include <cstddef>

#include "memory/budget.h"
#include "memory/segment.h"

namespace millrace::memory {

class MemoryManager;

class MemoryPool : public Budget {
  public:
    // Allocates contiguous whole pages. REQUIRES: bytes > 0.
    Result<Segment> allocate(OwnerId owner, std::size_t bytes);
    // The same, starting on a 2 MiB boundary and backed by huge pages where the machine has them:
    // for tables that are read at random.
    Result<Segment> allocate_table(OwnerId owner, std::size_t bytes);

    [[nodiscard]] std::size_t page_bytes() const;

  protected:
    MemoryPool(MemoryManager& manager, Shape shape);
    ~MemoryPool() = default;

  private:
    friend class Segment;
    enum class Kind : unsigned char { kPages, kTable };

    Result<Segment> allocate(OwnerId owner, std::size_t bytes, Kind kind);
    // The last handle of a segment has gone.
    void free(SegmentHeader& header);

    MemoryManager& manager_;
};

// One owner in one pool: the handle that batches, tables and operators are constructed with.
class MemoryOwner {
  public:
    MemoryOwner(MemoryPool& pool, OwnerId id) : pool_(&pool), id_(id) {}
    // Interns `tag` in `pool`.
    static Result<MemoryOwner> of(MemoryPool& pool, const OwnerTag& tag);

    [[nodiscard]] Result<Segment> allocate(std::size_t bytes) const {
        return pool_->allocate(id_, bytes);
    }
    [[nodiscard]] Result<Segment> allocate_table(std::size_t bytes) const {
        return pool_->allocate_table(id_, bytes);
    }
    [[nodiscard]] Result<Reservation> reserve(std::size_t bytes) const {
        return pool_->reserve(id_, bytes);
    }
    [[nodiscard]] MemoryPool& pool() const { return *pool_; }
    [[nodiscard]] OwnerId id() const { return id_; }

  private:
    MemoryPool* pool_;
    OwnerId id_;
};

}  // namespace millrace::memory
