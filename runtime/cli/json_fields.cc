#include "runtime/cli/json_fields.h"

#include <fmt/core.h>

namespace millrace::cli {
namespace {

namespace json = boost::json;

const json::value* field(const json::value& value, std::string_view key) {
    return value.is_object() ? value.as_object().if_contains(key) : nullptr;
}

}  // namespace

std::string text_at(const json::value& value, std::string_view key) {
    const json::value* found = field(value, key);
    return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

std::int64_t number_at(const json::value& value, std::string_view key) {
    const json::value* found = field(value, key);
    if (found == nullptr || !found->is_number()) return 0;
    return static_cast<std::int64_t>(found->to_number<double>());
}

std::string real_at(const json::value& value, std::string_view key) {
    const json::value* found = field(value, key);
    if (found == nullptr || !found->is_number()) return "-";
    return fmt::format("{:.4f}", found->to_number<double>());
}

const json::array& list_at(const json::value& value, std::string_view key) {
    static const json::array none;
    const json::value* found = field(value, key);
    return found != nullptr && found->is_array() ? found->as_array() : none;
}

}  // namespace millrace::cli
