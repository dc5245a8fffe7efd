// Reads the file of a process's settings, millrace.yaml: keys nested or dotted, each with its line.
//
//   taskmanager:
//     numberOfTaskSlots: 16            is the same as
//   taskmanager.numberOfTaskSlots: 16
//
// A file of comments alone holds no settings. Which keys there are, and what their values may be,
// the readers of the settings know: one table for file and flags.
//
// Threads:    any.
// Limits:     YamlLimits.
// Failure:    diagnostics, all of the file at once; what they are about is left out. None repeats a
//             value, which may be a password.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/diagnostic.h"

namespace millrace::config {

struct FileSetting {
    std::string key;    // Dotted.
    std::string value;  // As written.
    std::uint32_t line = 0;
};

struct SettingsFile {
    std::vector<FileSetting> settings;  // In the order of the file.
    std::vector<Diagnostic> diagnostics;
};

// Marks carry `file`, the text's number in SourceTexts.
[[nodiscard]] SettingsFile read_settings_file(std::string_view text, std::uint32_t file);

}  // namespace millrace::config
