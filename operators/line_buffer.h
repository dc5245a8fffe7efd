// Cuts a stream of bytes into lines, in a bounded buffer of the slot.
//
// Bytes are read straight into room(); next() hands lines out where they lie. A line ends at "\n"
// or "\r\n". The buffer holds the longest line that is allowed, though no page of it is touched
// before a line is as long; a longer one is skipped to its end and reported once.
//
// Threads:    one.
// Ownership:  owns its segment. Lines are valid until the next room().
// Limits:     line_bytes_max; the buffer is buffer_bytes() of that.
// Failure:    kResourceExhausted when the slot refuses memory.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "memory/memory_pool.h"
#include "memory/segment.h"
#include "runtime/base/status.h"

namespace millrace::operators {

class LineBuffer {
  public:
    static constexpr std::size_t kReadBytes = std::size_t{128} << 10;

    enum class Found : std::uint8_t {
        kNothing,  // No whole line: read more.
        kLine,
        kTooLong,  // A line over the limit, which was skipped.
    };

    // What it takes of the slot: a line with its end, and what was read behind it.
    [[nodiscard]] static std::size_t buffer_bytes(std::size_t line_bytes_max) {
        return line_bytes_max + 2 * kReadBytes;
    }

    LineBuffer(memory::MemoryPool& pool, memory::OwnerId owner, std::size_t line_bytes_max)
        : pool_(pool), owner_(owner), line_bytes_max_(line_bytes_max) {}

    // Where to read more bytes into, at most kReadBytes. Forgets the lines handed out.
    Result<std::span<char>> room();
    void filled(std::size_t bytes) { end_ += bytes; }

    // Takes the next line out.
    Found next(std::string_view& line);
    // The same at the end of the input, where the last line may lack its "\n".
    Found last(std::string_view& line);
    // Forgets everything, for a stream that begins anew at byte `at`.
    void reset(std::uint64_t at);

    // Where in the stream the next line begins.
    [[nodiscard]] std::uint64_t next_byte() const { return bytes_taken_; }
    // True when bytes of an unfinished line are held.
    [[nodiscard]] bool holds_bytes() const { return begin_ < end_ || skipping_; }
    // True inside a line that is too long already: its end is still to come.
    [[nodiscard]] bool skips_line() const { return skipping_; }

  private:
    [[nodiscard]] char* data() const { return reinterpret_cast<char*>(segment_.data()); }
    Found take(std::size_t line_end, std::size_t next_begin, std::string_view& line);

    memory::MemoryPool& pool_;
    const memory::OwnerId owner_;
    const std::size_t line_bytes_max_;
    memory::Segment segment_;
    std::size_t begin_ = 0;    // Of the next line.
    std::size_t scanned_ = 0;  // No "\n" before here.
    std::size_t end_ = 0;      // Of the bytes read.
    bool skipping_ = false;    // Inside a line that is too long.
    std::uint64_t bytes_taken_ = 0;
};

}  // namespace millrace::operators
