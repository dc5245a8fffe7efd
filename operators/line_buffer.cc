#include "operators/line_buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/base/check.h"

namespace millrace::operators {

Result<std::span<char>> LineBuffer::room() {
    if (segment_.is_empty()) {
        MILLRACE_TRY_ASSIGN(segment_, pool_.allocate(owner_, buffer_bytes(line_bytes_max_)));
    }
    if (begin_ > 0) {
        std::memmove(data(), data() + begin_, end_ - begin_);
        end_ -= begin_;
        scanned_ -= begin_;
        begin_ = 0;
    }
    // What is longer than a line may be was taken out by next().
    MILLRACE_CHECK_LT(end_, segment_.size());
    return std::span(data() + end_, std::min(kReadBytes, segment_.size() - end_));
}

LineBuffer::Found LineBuffer::next(std::string_view& line) {
    const auto* found =
        scanned_ == end_
            ? nullptr
            : static_cast<const char*>(std::memchr(data() + scanned_, '\n', end_ - scanned_));
    if (found == nullptr) {
        scanned_ = end_;
        // The rest of a line that is already too long need not be kept.
        if (end_ - begin_ > line_bytes_max_ + 1) skipping_ = true;
        if (skipping_) {
            bytes_taken_ += end_ - begin_;
            begin_ = end_;
        }
        return Found::kNothing;
    }
    const auto at = static_cast<std::size_t>(found - data());
    return take(at, at + 1, line);
}

LineBuffer::Found LineBuffer::last(std::string_view& line) {
    if (!holds_bytes()) return Found::kNothing;
    return take(end_, end_, line);
}

LineBuffer::Found LineBuffer::take(std::size_t line_end, std::size_t next_begin,
                                   std::string_view& line) {
    std::size_t size = line_end - begin_;
    if (size > 0 && data()[line_end - 1] == '\r') --size;
    line = std::string_view(data() + begin_, size);
    bytes_taken_ += next_begin - begin_;
    begin_ = next_begin;
    scanned_ = next_begin;
    const bool too_long = std::exchange(skipping_, false) || size > line_bytes_max_;
    return too_long ? Found::kTooLong : Found::kLine;
}

void LineBuffer::reset(std::uint64_t at) {
    begin_ = scanned_ = end_ = 0;
    skipping_ = false;
    bytes_taken_ = at;
}

}  // namespace millrace::operators
