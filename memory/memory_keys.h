// The configuration keys of memory: their names, kinds, defaults and ranges, each said once.
//
// A key has Flink's name only if name, meaning and unit are all Flink's. Everything else under
// these prefixes is an error: an old Flink key points to what replaces it, an unknown one to the
// known one that it resembles, else to those that there are. Keys whose function this version does
// not have are read, checked and answered with a warning, never silently.
//
// Threads:    values.
// Ownership:  KeyValues holds copies.
// Limits:     memory_keys().
// Failure:    read() collects every problem, one line each: file, line, key, what, hint.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "memory/byte_size.h"

namespace millrace::memory {

// One line of the configuration, or one flag.
struct Setting {
    std::string key;
    std::string value;
    std::string file;  // Empty when it does not come from a file.
    int line = 0;      // From 1; 0 when unknown.
};

// "file:line: key", or the key alone; for error texts.
[[nodiscard]] std::string place_of(const Setting& setting);

struct MemoryKey {
    enum class Kind : unsigned char {
        kBytes,
        kFraction,
        kCount,
        kDuration,
        kFlag,
        kWeights,
        kWord
    };
    enum class Effect : unsigned char { kNow, kLater };

    std::string_view name;
    Kind kind;
    std::string_view default_value;  // Empty: none, it is derived or unlimited.
    std::uint64_t min = 0;           // Of counts and sizes.
    std::uint64_t max = 0;
    std::string_view words = "";  // Of kWord: the allowed ones, separated by '|'.
    Effect effect = Effect::kNow;
    std::string_view doc = "";
};

// All keys, in the order of the README's table.
[[nodiscard]] std::span<const MemoryKey> memory_keys();
// True for everything that KeyValues judges, known or not.
[[nodiscard]] bool is_memory_key(std::string_view key);

class KeyValues {
  public:
    struct Notes {
        std::vector<std::string> problems;
        std::vector<std::string> warnings;
        std::size_t unread = 0;  // Known keys among the problems, whose values are missing now.
    };

    // Reads and checks `settings`. Those with a problem count as not set.
    static KeyValues read(std::span<const Setting> settings, Notes& notes);

    [[nodiscard]] bool is_set(std::string_view key) const;
    // The value that was set, else the default. REQUIRES: the key exists, is of that kind, and is
    // set or has a default.
    [[nodiscard]] std::uint64_t bytes(std::string_view key) const;
    [[nodiscard]] std::uint64_t count(std::string_view key) const;
    [[nodiscard]] DecimalFraction fraction(std::string_view key) const;
    [[nodiscard]] bool flag(std::string_view key) const;
    [[nodiscard]] std::string_view text(std::string_view key) const;
    // "file:line: key", or the key alone; for error texts.
    [[nodiscard]] std::string where(std::string_view key) const;

  private:
    std::map<std::string, Setting, std::less<>> settings_;
};

}  // namespace millrace::memory
