#include "runtime/jobfile/record_shape.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace millrace::jobfile {

std::string type_word(ValueType type, bool list) {
    constexpr std::array kWords{"unknown", "bool",   "int32", "int64",       "float32",
                                "float64", "string", "bytes", "timestamp_ms"};
    const std::string word = kWords[static_cast<std::size_t>(type)];
    return list ? fmt::format("list<{}>", word) : word;
}

const ShapeField* RecordShape::find(std::string_view name) const {
    const auto found = std::ranges::find(fields, name, &ShapeField::name);
    return found == fields.end() ? nullptr : &*found;
}

}  // namespace millrace::jobfile
