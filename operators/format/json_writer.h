// Writes JSON values to room that somebody else owns.
//
// Threads:    one.
// Ownership:  borrows the room.
// Limits:     never writes beyond the room. Numbers want kNumberBytesMax bytes of it, whatever they
//             are.
// Failure:    is_full() is true from the first value on that did not fit; what was written since
//             the last complete record is of no use then.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace millrace::operators {

class JsonWriter {
  public:
    static constexpr std::size_t kNumberBytesMax = 32;
    static constexpr std::size_t kLiteralBlock = 32;

    explicit JsonWriter(std::span<char> room)
        : begin_(room.data()), at_(begin_), end_(begin_ + room.size()) {}

    [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(at_ - begin_); }
    [[nodiscard]] bool is_full() const { return is_full_; }

    // As it is: punctuation, keys, true, false, null.
    void write_literal(std::string_view text) {
        if (has_room(text.size())) {
            std::memcpy(at_, text.data(), text.size());
            at_ += text.size();
        }
    }
    // The same for a literal with kLiteralBlock readable bytes from its start on.
    void write_padded_literal(std::string_view text) {
        if (text.size() <= kLiteralBlock && has_block()) [[likely]] {
            std::memcpy(at_, text.data(), kLiteralBlock);
            at_ += text.size();
        } else {
            write_literal(text);
        }
    }
    void write_integer(std::int64_t value);
    // The shortest decimal that reads back to the same value; null when it is not finite.
    void write_float(float value);
    void write_double(double value);
    // In quotes, escaped. What is not UTF-8 becomes U+FFFD.
    void write_string(std::string_view text);
    // In quotes, as base64.
    void write_bytes(std::string_view bytes);

  private:
    [[nodiscard]] bool has_room(std::size_t bytes) {
        if (static_cast<std::size_t>(end_ - at_) < bytes) is_full_ = true;
        return !is_full_;
    }
    [[nodiscard]] bool has_block() const {
        return static_cast<std::size_t>(end_ - at_) >= kLiteralBlock && !is_full_;
    }
    void write_escaped(std::string_view text);

    char* const begin_;
    char* at_;
    char* const end_;
    bool is_full_ = false;
};

}  // namespace millrace::operators
