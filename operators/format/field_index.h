// Finds the column that a record's key names.
//
// Threads:    any, after construction.
// Ownership:  copies the names.
// Limits:     reads up to 8 bytes beyond the name or key it is asked for, which must be readable.
// Failure:    none.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "operators/format/json_number.h"
#include "runtime/data/schema.h"

namespace millrace::operators {

class FieldIndex {
  public:
    static constexpr std::uint32_t kUnknown = ~0U;

    explicit FieldIndex(const data::Schema& schema);

    // The column of this name, or kUnknown.
    [[nodiscard]] std::uint32_t find(std::string_view name) const {
        const std::size_t bytes = name.size() < 8 ? name.size() : 8;
        return find(name, bytes == 0 ? 0 : first_bytes(load_word(name.data()), bytes));
    }

    // The column of a key as it stands in a record, up to its closing quote, when the key is of at
    // most 7 bytes without escapes; kUnknown for others, which find_key() looks up.
    [[nodiscard]] std::uint32_t find_short_key(const char* key) const {
        const std::uint64_t word = load_word(key);
        const std::uint64_t quotes = bytes_equal(word, '"');
        const auto bits = static_cast<unsigned>(std::countr_zero(quotes)) & ~7U;
        if (quotes == 0 || bits == 0) [[unlikely]] {
            return kUnknown;
        }
        const std::uint64_t name = word & (~0ULL >> (64 - bits));
        if (bytes_equal(name, '\\') != 0) [[unlikely]] {
            return kUnknown;
        }
        const Slot& slot = slots_[slot_of(name, bits / 8)];
        return slot.word == name && slot.bytes == bits / 8 ? slot.column : kUnknown;
    }

    // A key as it stands in a record, up to its closing quote.
    struct Key {
        std::string_view name;
        std::uint32_t column = kUnknown;
        bool has_escapes = false;  // The column is not looked for then.
    };
    // REQUIRES: a closing quote follows.
    [[nodiscard]] Key find_key(const char* key) const;

  private:
    struct Slot {
        std::uint64_t word = 0;  // The first 8 bytes.
        std::uint32_t column = kUnknown;
        std::uint32_t bytes = 0;
    };

    // The top bit of the lowest byte of `word` that is `c`, and perhaps of some above it.
    [[nodiscard]] static std::uint64_t bytes_equal(std::uint64_t word, char c) {
        constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
        const std::uint64_t zero = word ^ (kOnes * static_cast<unsigned char>(c));
        return (zero - kOnes) & ~zero & (kOnes << 7);
    }
    // REQUIRES: 1 <= bytes <= 8.
    [[nodiscard]] static std::uint64_t first_bytes(std::uint64_t word, std::size_t bytes) {
        return word & (~0ULL >> (64 - 8 * bytes));
    }
    // The product's top bits depend on all bytes of the word.
    [[nodiscard]] std::size_t slot_of(std::uint64_t word, std::size_t bytes) const {
        return ((word + bytes) * multiplier_) >> slot_shift_;
    }
    [[nodiscard]] std::uint32_t find(std::string_view name, std::uint64_t word) const {
        for (std::size_t at = slot_of(word, name.size());; at = (at + 1) & slot_mask_) {
            const Slot& slot = slots_[at];
            if (slot.word == word && slot.bytes == name.size() &&
                (slot.bytes <= 8 || names_[slot.column] == name)) {
                return slot.column;
            }
            if (slot.column == kUnknown) {
                return kUnknown;
            }
        }
    }
    // Fills the table anew. Returns how many names are not in their first slot.
    std::size_t fill(const data::Schema& schema, std::uint64_t multiplier);

    std::vector<Slot> slots_;         // At most a quarter of them taken.
    std::vector<std::string> names_;  // By column.
    std::size_t slot_mask_ = 0;
    int slot_shift_ = 0;
    std::uint64_t multiplier_ = 0;
};

}  // namespace millrace::operators
