// Lays one YAML tree over another: `-f base.yaml -f prod.yaml`, then `--set path=value`.
//
// Mappings merge, everything else is replaced. Marks stay those of the layer that a value came
// from, so an error points into the right file.
//
// Threads:    any.
// Limits:     `--set` makes at most as many levels as YamlLimits::depth_max.
// Failure:    a `--set` that cannot be read is a Diagnostic, E003 or E010.

#pragma once

#include <string>
#include <vector>

#include "runtime/config/yaml_tree.h"

namespace millrace::config {

// Lays `top` over `base`.
void merge_layer(YamlNode& base, YamlNode top);

// Applies `a.b.c=value`, value being YAML. Adds the text to `sources`, for marks.
[[nodiscard]] std::vector<Diagnostic> apply_assignment(YamlNode& root, SourceTexts& sources,
                                                       const std::string& assignment);

}  // namespace millrace::config
