// Says what somebody who wrote an unknown key or type probably meant: a key one typo away, a key
// that stands one level too far out or in, another system's word. Private to this folder.
//
// Threads:    any.
// Failure:    none; without a guess the legal words are listed.

#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/yaml_tree.h"
#include "runtime/jobfile/key_table.h"

namespace millrace::jobfile {

// A mapping that is being read, and the keys that are legal in it.
struct KeyFrame {
    const config::YamlNode* node;
    const std::vector<LegalKey>* keys;
    std::string path;
    bool typed;  // `type` is legal too.
};

struct UnknownKey {
    std::string message;
    std::string fix;
    std::string_view guess;  // The legal key that was probably meant; empty if none.
};

// REQUIRES: `frames` is not empty; its last one holds `entry`.
[[nodiscard]] UnknownKey explain_unknown_key(const config::YamlEntry& entry,
                                             std::span<const KeyFrame> frames);

struct UnknownWord {
    std::string fix;
    std::string_view guess;
};

[[nodiscard]] UnknownWord explain_unknown_type(std::string_view written, const Descriptor& section);

// True for other systems' words for `type`.
[[nodiscard]] bool is_foreign_type_key(std::string_view key);

// An entry of a mapping of names that is a key of the entry before it, written one level too far
// out; returns what to do. `section` is the message of the entries.
[[nodiscard]] std::optional<std::string> explain_misplaced_entry(const config::YamlEntry& entry,
                                                                 const config::YamlEntry* previous,
                                                                 const Descriptor& section);

}  // namespace millrace::jobfile
