#include "memory/segment.h"

#include "memory/memory_pool.h"
#include "runtime/base/check.h"

namespace millrace::memory {

Segment Segment::share() const {
    MILLRACE_CHECK(header_ != nullptr);
    // Relaxed: whoever makes a handle has one already, so the count cannot reach zero meanwhile.
    header_->references.fetch_add(1, std::memory_order_relaxed);
    return {*header_, bytes_};
}

void Segment::release() {
    if (header_ == nullptr) return;
    SegmentHeader& header = *std::exchange(header_, nullptr);
    bytes_ = {};
    // Acquire and release: all writes through other handles come before the pages are lent again.
    const std::uint32_t before = header.references.fetch_sub(1, std::memory_order_acq_rel);
    MILLRACE_CHECK_GE(before, 1U);
    if (before == 1) header.pool->free(header);
}

}  // namespace millrace::memory
