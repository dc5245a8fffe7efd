// A range of anonymous memory that is mapped at once and touched on first use.
//
// Starts on a 2 MiB boundary. Huge pages are off for the range and switched on for the parts that
// ask for them, so that touching one page costs one page.
//
// Threads:    any; the mapping does not change between map() and the destructor.
// Ownership:  owns the mapping; move-only.
// Limits:     `bytes`.
// Failure:    kResourceExhausted when the kernel refuses the range. Advice that the kernel does not
//             know is not a failure.

#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "runtime/base/status.h"

namespace millrace::memory {

class MappedRegion {
  public:
    static constexpr std::size_t kAlignment = 2 << 20;
    enum class HugePages : unsigned char { kTransparent, kOff };
    enum class Prefault : unsigned char { kNo, kYes };

    // `name` stands in the error text. REQUIRES: bytes > 0.
    static Result<MappedRegion> map(std::string_view name, std::size_t bytes,
                                    Prefault prefault = Prefault::kNo);

    MappedRegion(MappedRegion&& other) noexcept;
    MappedRegion& operator=(MappedRegion&&) = delete;
    ~MappedRegion();

    [[nodiscard]] std::byte* data() const { return bytes_.data(); }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] std::span<std::byte> bytes(std::size_t offset, std::size_t count) const {
        return bytes_.subspan(offset, count);
    }

    // Asks for huge pages, or for small ones, in the 2 MiB pages that lie fully in the range.
    void prefer_huge(std::size_t offset, std::size_t count) const;
    void prefer_small(std::size_t offset, std::size_t count) const;

  private:
    explicit MappedRegion(std::span<std::byte> bytes) : bytes_(bytes) {}

    std::span<std::byte> bytes_;
};

}  // namespace millrace::memory
