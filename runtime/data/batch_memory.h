// Makes batches out of a slot's memory.
//
// One BatchMemory per task. Every batch lies in segments of the slot: its header, its table of
// columns and their arrays. The pool's free pages are the only store of returned segments, since
// taking a run of pages costs less than the first row of a batch.
//
// Threads:    the task's thread; the batches it makes may be read and dropped on any.
// Ownership:  borrows the pool, which must outlive every batch made here. Batches do not refer to
//             the BatchMemory itself.
// Limits:     those of the pool.
// Failure:    kResourceExhausted with the holders' names, from the slot.

#pragma once

#include <cstddef>

#include "memory/memory_pool.h"
#include "memory/segment.h"
#include "runtime/base/status.h"
#include "runtime/data/batch.h"
// The ways to make a batch; both need a BatchMemory.
#include "runtime/data/batch_builder.h"
#include "runtime/data/derived_batch.h"

namespace millrace::data {

class BatchMemory {
  public:
    // What stands at the start of a batch's memory (batch_block.h).
    struct Block;

    BatchMemory(memory::MemoryPool& pool, memory::OwnerId owner) : pool_(pool), owner_(owner) {}

    BatchMemory(const BatchMemory&) = delete;
    BatchMemory& operator=(const BatchMemory&) = delete;

    // Takes contiguous pages of the slot. REQUIRES: bytes > 0.
    Result<memory::Segment> allocate(std::size_t bytes) { return pool_.allocate(owner_, bytes); }
    // What allocations are rounded up to.
    [[nodiscard]] std::size_t page_bytes() const { return pool_.page_bytes(); }

  private:
    memory::MemoryPool& pool_;
    const memory::OwnerId owner_;
};

}  // namespace millrace::data
