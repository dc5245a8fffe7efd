// Network buffers for tests: one pool of them and one local pool that may lend them all.
//
// Threads:    those of NetworkBufferPool.
// Ownership:  owns the pools; must outlive every buffer, which its destructor checks.
// Limits:     `buffers`.
// Failure:    aborts.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "memory/network_buffer_pool.h"
#include "runtime/base/check.h"

namespace millrace::test {

class BufferWorld {
  public:
    explicit BufferWorld(std::uint32_t buffers, std::size_t buffer_bytes = std::size_t{32} << 10)
        : pool_(make_pool(buffers, buffer_bytes)) {
        auto local = pool_->create_pool(
            "test", {.buffers_floor = buffers, .buffers_ceiling = buffers}, [] {});
        MILLRACE_CHECK(local.has_value());
        local_ = *std::move(local);
    }

    [[nodiscard]] memory::LocalBufferPool& pool() { return *local_; }
    [[nodiscard]] std::uint32_t in_use() const { return local_->in_use(); }
    // An empty buffer. REQUIRES: one is free.
    [[nodiscard]] memory::NetworkBuffer lend() {
        auto buffer = local_->try_lend();
        MILLRACE_CHECK(buffer.has_value());
        return *std::move(buffer);
    }
    // A buffer with these bytes in use, as if it had just been received.
    [[nodiscard]] memory::NetworkBuffer received(std::span<const std::byte> bytes) {
        memory::NetworkBuffer buffer = lend();
        MILLRACE_CHECK_LE(bytes.size(), buffer.capacity());
        std::memset(buffer.data(), 0xee, buffer.capacity());
        if (!bytes.empty()) {
            std::memcpy(buffer.data(), bytes.data(), bytes.size());
        }
        buffer.set_size(bytes.size());
        return buffer;
    }

  private:
    static std::unique_ptr<memory::NetworkBufferPool> make_pool(std::uint32_t buffers,
                                                                std::size_t buffer_bytes) {
        auto pool =
            memory::NetworkBufferPool::create({.buffers = buffers, .buffer_bytes = buffer_bytes});
        MILLRACE_CHECK(pool.has_value());
        return *std::move(pool);
    }

    std::unique_ptr<memory::NetworkBufferPool> pool_;
    std::unique_ptr<memory::LocalBufferPool> local_;
};

}  // namespace millrace::test
