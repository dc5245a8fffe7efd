// A contiguous run of whole pages of the managed region, with a reference count.
//
// Move-only; share() makes a second handle on the same pages, and the last handle to go gives them
// back to the budget they were taken from, from whatever thread. The contents of a new segment are
// unspecified: it may hold bytes of an earlier owner.
//
// Threads:    each handle has one owner at a time; handles on the same pages may be used by
//             different threads, who agree among themselves about writing.
// Ownership:  borrows its pool, which must outlive every handle (checked by the pool).
// Limits:     no heap allocation: the reference count stands in a table beside the pages.
// Failure:    none.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "memory/owner.h"

namespace millrace::memory {

class MemoryPool;

// What stands in the table beside the pages, one entry for the first page of each segment.
struct SegmentHeader {
    std::atomic<std::uint32_t> references{1};
    std::uint32_t pages = 0;
    OwnerId owner{};
    bool is_huge = false;
    MemoryPool* pool = nullptr;
};

class Segment {
  public:
    Segment() = default;
    // Takes over one reference. REQUIRES: header.references >= 1.
    Segment(SegmentHeader& header, std::span<std::byte> bytes) : header_(&header), bytes_(bytes) {}
    Segment(Segment&& other) noexcept
        : header_(std::exchange(other.header_, nullptr)), bytes_(std::exchange(other.bytes_, {})) {}
    Segment& operator=(Segment&& other) noexcept {
        if (this != &other) {
            release();
            header_ = std::exchange(other.header_, nullptr);
            bytes_ = std::exchange(other.bytes_, {});
        }
        return *this;
    }
    ~Segment() { release(); }

    // A second handle on the same pages. REQUIRES: !is_empty().
    [[nodiscard]] Segment share() const;

    [[nodiscard]] std::byte* data() const { return bytes_.data(); }
    // Bytes, a whole number of pages; 0 when empty.
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
    [[nodiscard]] bool is_empty() const { return header_ == nullptr; }
    // REQUIRES: !is_empty().
    [[nodiscard]] OwnerId owner() const { return header_->owner; }
    // Handles on these pages now; 1 means that nobody else can read or write them.
    [[nodiscard]] std::uint32_t references() const {
        return header_ == nullptr ? 0 : header_->references.load(std::memory_order_acquire);
    }

    // Drops this handle; afterwards it is empty. May be repeated.
    void release();

  private:
    SegmentHeader* header_ = nullptr;
    std::span<std::byte> bytes_;
};

}  // namespace millrace::memory
