#include "runtime/base/ids.h"

#include <charconv>

namespace millrace {

Result<std::array<std::uint64_t, 2>> parse_hex_id(std::string_view text) {
    std::array<std::uint64_t, 2> words{};
    if (text.size() != 32) {
        return fail(Code::kInvalidArgument, "an id has 32 hexadecimal digits, this one {}",
                    text.size());
    }
    for (std::size_t i = 0; i < 2; ++i) {
        const char* begin = text.data() + 16 * i;
        const auto [end, error] = std::from_chars(begin, begin + 16, words[i], 16);
        if (error != std::errc() || end != begin + 16) {
            return fail(Code::kInvalidArgument, "not a hexadecimal id: {}", text);
        }
    }
    return words;
}

}  // namespace millrace
