// Lends network buffers to one gate or one result partition, between a floor and a ceiling agreed
// at creation.
//
// The floor is kept free in the parent for this pool's whole life. What is above it is shared out
// among all pools anew whenever one comes or goes (buffers_now()), and goes back to the parent as
// soon as it is returned, so one busy gate cannot starve the rest.
//
// Threads:    any.
// Ownership:  borrows `parent`, which must outlive this pool. Made by
//             NetworkBufferPool::create_pool().
// Limits:     in_use() <= buffers_ceiling. No heap allocation while there are buffers to lend.
// Failure:    exhaustion is not an error: try_lend() returns nullopt; wait for `on_available`.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "memory/network_buffer.h"

namespace millrace::memory {

class NetworkBufferPool;

class LocalBufferPool {
  public:
    struct Limits {
        std::uint32_t buffers_floor;    // Reserved in `parent` for this pool alone.
        std::uint32_t buffers_ceiling;  // At most this many on loan at once.
    };

    // REQUIRES: 1 <= buffers_floor <= buffers_ceiling, and `parent` granted the floor.
    // `on_available` is called without a lock held, once for every try_lend() that failed, by the
    // thread whose return made room; it must only ring a bell. After the destructor it is not
    // called, so it must not destroy this pool itself.
    LocalBufferPool(NetworkBufferPool& parent, std::string name, Limits limits,
                    std::function<void()> on_available);

    LocalBufferPool(const LocalBufferPool&) = delete;
    LocalBufferPool& operator=(const LocalBufferPool&) = delete;

    // Waits for a call of `on_available` that has begun. REQUIRES: in_use() == 0.
    ~LocalBufferPool();

    // Lends one buffer; nullopt when buffers_now() are on loan or the parent has none to spare.
    // Never blocks. The buffer returns to this pool when it is destroyed.
    [[nodiscard]] std::optional<NetworkBuffer> try_lend();

    // Buffers on loan now.
    [[nodiscard]] std::uint32_t in_use() const;
    // How many may be on loan under the present division; between floor and ceiling.
    [[nodiscard]] std::uint32_t buffers_now() const;
    [[nodiscard]] Limits limits() const;

  private:
    NetworkBufferPool& parent_;
    LocalPoolRecord* const record_;  // Guarded by the parent's lock, as all pools are one division.
};

}  // namespace millrace::memory
