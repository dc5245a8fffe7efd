#include "memory/memory_report.h"

#include <algorithm>

#include <fmt/format.h>

#include "memory/byte_size.h"

namespace millrace::memory {

void sort_largest_first(std::vector<OwnerUse>& owners) {
    std::ranges::sort(owners, [](const OwnerUse& a, const OwnerUse& b) {
        return a.bytes_now != b.bytes_now ? a.bytes_now > b.bytes_now : a.tag < b.tag;
    });
}

std::string largest_holders(const std::vector<OwnerUse>& owners, std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < std::min(count, owners.size()); ++i) {
        if (owners[i].bytes_now == 0) break;
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", owners[i].tag.to_string(),
                            format_bytes(owners[i].bytes_now));
    }
    return text.empty() ? "nobody" : text;
}

}  // namespace millrace::memory
