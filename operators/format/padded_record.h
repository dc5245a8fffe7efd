// Makes a record's bytes readable beyond their end, for parsers that load whole blocks.
//
// Memory is mapped in pages, so reading on is safe as long as it stays on the record's last page;
// only a record near a page's end is copied. Sanitizers see less than the processor does; under
// them every record is copied.
//
// Threads:    one.
// Ownership:  a copy lives until the next call.
// Limits:     its memory grows to the longest copied record.
// Failure:    none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace millrace::operators {

class PaddedRecord {
  public:
    static constexpr std::size_t kPadding = 64;

    // Whether kPadding more bytes than these may be read where they stand. REQUIRES: not empty.
    [[nodiscard]] static bool may_read_beyond(std::string_view bytes) {
        const auto last = reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size() - 1);
        return !kAlwaysCopy && last % kPageBytes < kPageBytes - kPadding;
    }

    // The same bytes, with kPadding more behind them that may be read. REQUIRES: not empty.
    std::string_view of(std::string_view record) {
        if (may_read_beyond(record)) [[likely]] {
            return record;
        }
        if (copy_.size() < record.size() + kPadding) {
            copy_.resize(record.size() + kPadding);
        }
        std::memcpy(copy_.data(), record.data(), record.size());
        std::memset(copy_.data() + record.size(), 0, kPadding);
        return {copy_.data(), record.size()};
    }

  private:
    static constexpr std::size_t kPageBytes = 4096;  // The smallest there is.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    static constexpr bool kAlwaysCopy = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
    static constexpr bool kAlwaysCopy = true;
#else
    static constexpr bool kAlwaysCopy = false;
#endif
#else
    static constexpr bool kAlwaysCopy = false;
#endif

    std::vector<char> copy_;
};

}  // namespace millrace::operators
