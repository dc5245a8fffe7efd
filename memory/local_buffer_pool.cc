#include "memory/local_buffer_pool.h"

#include <utility>

#include "memory/network_buffer_pool.h"

namespace millrace::memory {

LocalBufferPool::LocalBufferPool(NetworkBufferPool& parent, std::string name, Limits limits,
                                 std::function<void()> on_available)
    : parent_(parent), record_(parent.attach(std::move(name), limits, std::move(on_available))) {}

LocalBufferPool::~LocalBufferPool() { parent_.detach(record_); }

std::optional<NetworkBuffer> LocalBufferPool::try_lend() { return parent_.try_lend(*record_); }

std::uint32_t LocalBufferPool::in_use() const {
    const MutexLock lock(parent_.mutex_);
    return record_->lent;
}

std::uint32_t LocalBufferPool::buffers_now() const {
    const MutexLock lock(parent_.mutex_);
    return record_->buffers_now;
}

LocalBufferPool::Limits LocalBufferPool::limits() const { return record_->limits; }

}  // namespace millrace::memory
