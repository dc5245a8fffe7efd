// What other systems call what this language has another word for. Private to this folder.
//
// Threads:    any; the tables are constant.
// Failure:    none; an unknown word has no translations.

#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace millrace::jobfile {

// Our word for a key of other systems that is among the keys legal at that place.
[[nodiscard]] std::optional<std::string_view> our_key(std::string_view theirs,
                                                      std::span<const std::string_view> legal);

// Our word for a value of other systems (a type, a format, a start position) that is legal there.
[[nodiscard]] std::optional<std::string_view> our_value(std::string_view theirs,
                                                        std::span<const std::string_view> legal);

// Our name for a field type of other systems: int64 for `long`.
[[nodiscard]] std::optional<std::string_view> our_field_type(std::string_view theirs);

}  // namespace millrace::jobfile
