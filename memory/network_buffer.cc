#include "memory/network_buffer.h"

#include "memory/network_buffer_pool.h"
#include "runtime/base/check.h"

namespace millrace::memory {

NetworkBuffer NetworkBuffer::share() const {
    MILLRACE_CHECK(header_ != nullptr);
    // Relaxed: whoever makes a handle has one already, so the count cannot reach zero meanwhile.
    header_->references.fetch_add(1, std::memory_order_relaxed);
    return {*header_, bytes_};
}

void NetworkBuffer::set_size(std::size_t size) {
    MILLRACE_CHECK_LE(size, bytes_.size());
    MILLRACE_CHECK_EQ(references(), 1U);
    header_->used_bytes = static_cast<std::uint32_t>(size);
}

void NetworkBuffer::release() {
    if (header_ == nullptr) return;
    NetworkBufferHeader& header = *std::exchange(header_, nullptr);
    bytes_ = {};
    // Acquire and release: all writes through other handles come before the buffer is lent again.
    const std::uint32_t before = header.references.fetch_sub(1, std::memory_order_acq_rel);
    MILLRACE_CHECK_GE(before, 1U);
    if (before == 1) header.parent->take_back(header);
}

}  // namespace millrace::memory
