// Reads a file that a person wrote, whole: a job, the settings of a process, a value that these
// keep elsewhere.
//
// Threads:    any; blocks as long as the file does (it may be a pipe).
// Ownership:  values.
// Limits:     kTextFileBytesMax, what a YAML text may have. Of a longer file comes one byte more,
//             so that who reads the text refuses it, in the form of all that is wrong in a text.
// Failure:    kPermissionDenied, else kInvalidOption, with the cause alone: the caller knows what
//             the file is for and puts that and its path in front.

#pragma once

#include <cstddef>
#include <string>

#include "runtime/base/status.h"
#include "runtime/config/yaml_tree.h"

namespace millrace::config {

inline constexpr std::size_t kTextFileBytesMax = YamlLimits{}.bytes_max;

Result<std::string> read_text_file(const std::string& path);

}  // namespace millrace::config
