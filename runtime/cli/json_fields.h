// Reads fields of a server's answer that another version of the server may not have.
//
// Threads:    any.
// Ownership:  list_at borrows from its argument.
// Failure:    a field that is absent or of another type is empty, or 0.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json.hpp>

namespace millrace::cli {

[[nodiscard]] std::string text_at(const boost::json::value& value, std::string_view key);
[[nodiscard]] std::int64_t number_at(const boost::json::value& value, std::string_view key);
// With four decimals; "-" when absent.
[[nodiscard]] std::string real_at(const boost::json::value& value, std::string_view key);
[[nodiscard]] const boost::json::array& list_at(const boost::json::value& value,
                                                std::string_view key);

}  // namespace millrace::cli
