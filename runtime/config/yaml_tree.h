// Reads YAML into a tree whose every node knows its place. The only door to libyaml.
//
// Scalars keep their raw text: `no` stays text, and whoever reads a value decides what it is.
// Anchors and aliases work inside one text (an alias is a copy); tags, merge keys and a second
// document are refused, because they would let a file say something else than it shows.
//
// Threads:    values, no shared state.
// Limits:     YamlLimits: bytes, depth, nodes and their bytes (copies for anchors and aliases
//             counted), aliases, length of a key.
// Failure:    all that is wrong comes back as diagnostics, codes E001 to E009, E011 and E017.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/diagnostic.h"

namespace millrace::config {

struct YamlEntry;

struct YamlNode {
    enum class Kind : unsigned char { kScalar, kMapping, kSequence };

    Kind kind = Kind::kScalar;
    bool plain = true;  // A scalar without quotes.
    Mark mark;
    std::string text;                // Of a scalar.
    std::vector<YamlEntry> entries;  // Of a mapping, in the order of the file, keys unique.
    std::vector<YamlNode> items;     // Of a sequence.

    // The value under `key`; nullptr when there is none or this is no mapping.
    [[nodiscard]] const YamlNode* find(std::string_view key) const;
    [[nodiscard]] YamlNode* find(std::string_view key);
    // True for a scalar that holds nothing: empty without quotes, `null` or `~`.
    [[nodiscard]] bool is_null() const;
};

struct YamlEntry {
    std::string key;
    Mark key_mark;
    YamlNode value;
};

struct YamlLimits {
    std::size_t bytes_max = std::size_t{1} << 20;
    std::size_t depth_max = 64;
    std::size_t nodes_max = 100'000;
    std::size_t copied_bytes_max = std::size_t{4} << 20;  // Of keys and scalars.
    std::size_t aliases_max = 100;
    std::size_t key_bytes_max = 128;
};

struct YamlDocument {
    std::optional<YamlNode> root;  // Absent when the text cannot be read.
    bool is_empty = false;         // It holds nothing, or comments only; that is an E009, too.
    // E001 to E009: the text cannot be read. E011: keys that are given twice; the first one is
    // kept. E017: values that a comma cuts; they are kept whole.
    std::vector<Diagnostic> diagnostics;
};

// Reads `text`; marks carry `file`, its number in the SourceTexts.
[[nodiscard]] YamlDocument read_yaml(std::string_view text, std::uint32_t file,
                                     const YamlLimits& limits = {});

// Writes block style that read_yaml() reads to the same tree; texts are quoted where needed.
[[nodiscard]] std::string write_yaml(const YamlNode& root);

// Quotes a scalar for YAML if it would not come back as the same text otherwise.
[[nodiscard]] std::string yaml_scalar(std::string_view text);

// "a.b" for a key in a section, "b" at the top.
[[nodiscard]] std::string path_of(std::string_view section, std::string_view key);
// "a[2]" for a list's item.
[[nodiscard]] std::string path_of(std::string_view list, std::size_t index);

}  // namespace millrace::config
