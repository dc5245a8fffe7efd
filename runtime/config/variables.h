// Fills variables into the scalar values of a YAML tree, after parsing: a value cannot add
// structure.
//
// ${VAR}, ${VAR:-default} (unset or empty), ${VAR:?message}, and $$ for a dollar. A dollar before
// anything else stands for itself. Keys are left alone.
//
// Threads:    any.
// Limits:     a filled value has at most kFilledBytesMax bytes.
// Failure:    all unset variables at once, E004; a `${` that is not finished, E005.

#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/yaml_tree.h"

namespace millrace::config {

// Where variables come from; nullopt for one that is not set.
using VariableLookup = std::function<std::optional<std::string>(std::string_view name)>;

inline constexpr std::size_t kFilledBytesMax = 64 * 1024;

// The environment of this process.
[[nodiscard]] VariableLookup process_environment();

// Fills all variables in `root`; what could not be filled stays as it is and is reported.
[[nodiscard]] std::vector<Diagnostic> fill_variables(YamlNode& root, const VariableLookup& lookup);

// Reports every value that holds `${` (E104): for jobs that arrive over the network.
[[nodiscard]] std::vector<Diagnostic> refuse_variables(const YamlNode& root);

}  // namespace millrace::config
