// One fixed-size buffer of the network region, on loan.
//
// Move-only; share() makes a second handle on the same bytes, and the last handle to go returns the
// buffer to the pool that lent it, from whatever thread. size() says how many bytes are in use; the
// writer sets it before it shares the buffer.
//
// Threads:    each handle has one owner at a time; shared bytes are read-only by agreement.
// Ownership:  borrows its pool, which must outlive every handle (checked by the pool).
// Limits:     size() <= capacity(). No heap allocation.
// Failure:    none.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace millrace::memory {

class NetworkBufferPool;
struct LocalPoolRecord;

// What stands in the table beside the buffers.
struct NetworkBufferHeader {
    std::atomic<std::uint32_t> references{0};
    std::uint32_t used_bytes = 0;
    NetworkBufferPool* parent = nullptr;
    LocalPoolRecord* lender = nullptr;  // Null for an unpooled buffer.
};

class NetworkBuffer {
  public:
    NetworkBuffer() = default;
    // Takes over one reference. REQUIRES: header.references >= 1.
    NetworkBuffer(NetworkBufferHeader& header, std::span<std::byte> bytes)
        : header_(&header), bytes_(bytes) {}
    NetworkBuffer(NetworkBuffer&& other) noexcept
        : header_(std::exchange(other.header_, nullptr)), bytes_(std::exchange(other.bytes_, {})) {}
    NetworkBuffer& operator=(NetworkBuffer&& other) noexcept {
        if (this != &other) {
            release();
            header_ = std::exchange(other.header_, nullptr);
            bytes_ = std::exchange(other.bytes_, {});
        }
        return *this;
    }
    ~NetworkBuffer() { release(); }

    // A second handle on the same bytes. REQUIRES: !is_empty().
    [[nodiscard]] NetworkBuffer share() const;

    [[nodiscard]] std::byte* data() const { return bytes_.data(); }
    // Bytes in use, 0 when lent.
    [[nodiscard]] std::size_t size() const { return header_ == nullptr ? 0 : header_->used_bytes; }
    [[nodiscard]] std::size_t capacity() const { return bytes_.size(); }
    // REQUIRES: size <= capacity(), and this is the only handle.
    void set_size(std::size_t size);
    // The bytes in use.
    [[nodiscard]] std::span<std::byte> bytes() const { return bytes_.first(size()); }
    // All bytes, for the writer.
    [[nodiscard]] std::span<std::byte> room() const { return bytes_; }
    [[nodiscard]] bool is_empty() const { return header_ == nullptr; }
    [[nodiscard]] std::uint32_t references() const {
        return header_ == nullptr ? 0 : header_->references.load(std::memory_order_acquire);
    }

    // Drops this handle; afterwards it is empty. May be repeated.
    void release();

  private:
    NetworkBufferHeader* header_ = nullptr;
    std::span<std::byte> bytes_;
};

}  // namespace millrace::memory
