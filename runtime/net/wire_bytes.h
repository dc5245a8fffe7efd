// Reads and writes the numbers and texts of wire formats: little-endian, texts with a u16 length.
//
// Threads:    values; one owner.
// Limits:     a text has at most 65,535 bytes; readers give their own, smaller limit.
// Failure:    a reader that runs past the end, or meets a text above its limit, answers zeros from
//             then on and says so in is_good(): check once, after the last field.

#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/check.h"

namespace millrace::net {

template <std::unsigned_integral T>
void store_little_endian(std::byte* to, T value) {
    static_assert(std::endian::native == std::endian::little);
    std::memcpy(to, &value, sizeof value);
}

template <std::unsigned_integral T>
[[nodiscard]] T load_little_endian(const std::byte* from) {
    static_assert(std::endian::native == std::endian::little);
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

class WireWriter {
  public:
    template <std::unsigned_integral T>
    void number(T value) {
        bytes_.resize(bytes_.size() + sizeof value);
        store_little_endian(bytes_.data() + bytes_.size() - sizeof value, value);
    }
    // REQUIRES: at most 65,535 bytes.
    void text(std::string_view value) {
        MILLRACE_CHECK_LE(value.size(), std::size_t{UINT16_MAX});
        number(static_cast<std::uint16_t>(value.size()));
        const auto raw = std::as_bytes(std::span(value));
        bytes_.insert(bytes_.end(), raw.begin(), raw.end());
    }
    [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }
    [[nodiscard]] std::vector<std::byte> take() && { return std::move(bytes_); }

  private:
    std::vector<std::byte> bytes_;
};

class WireReader {
  public:
    explicit WireReader(std::span<const std::byte> bytes) : rest_(bytes) {}

    template <std::unsigned_integral T>
    [[nodiscard]] T number() {
        const auto raw = take(sizeof(T));
        return raw.empty() ? T{0} : load_little_endian<T>(raw.data());
    }
    [[nodiscard]] std::string text(std::size_t bytes_max) {
        const auto size = number<std::uint16_t>();
        if (size > bytes_max) is_good_ = false;
        const auto raw = take(size);
        return {reinterpret_cast<const char*>(raw.data()), raw.size()};
    }
    // What has not been read yet.
    [[nodiscard]] std::span<const std::byte> rest() const { return rest_; }
    [[nodiscard]] bool is_good() const { return is_good_; }
    // True when everything was read and nothing is left.
    [[nodiscard]] bool is_complete() const { return is_good_ && rest_.empty(); }

  private:
    std::span<const std::byte> take(std::size_t size) {
        if (!is_good_ || rest_.size() < size) {
            is_good_ = false;
            rest_ = {};
            return {};
        }
        const auto taken = rest_.first(size);
        rest_ = rest_.subspan(size);
        return taken;
    }

    std::span<const std::byte> rest_;
    bool is_good_ = true;
};

}  // namespace millrace::net
