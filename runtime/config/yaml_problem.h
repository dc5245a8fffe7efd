// Says in our words what libyaml found wrong. Private to this folder.

#pragma once

#include <cstdint>
#include <string_view>

#include <yaml.h>

#include "runtime/config/diagnostic.h"

namespace millrace::config {

// The failure at which `parser` stopped in `text`, which is source `file`.
[[nodiscard]] Diagnostic yaml_problem(const yaml_parser_t& parser, std::string_view text,
                                      std::uint32_t file);

}  // namespace millrace::config
