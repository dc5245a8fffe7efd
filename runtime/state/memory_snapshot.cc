#include "runtime/state/memory_snapshot.h"

#include <algorithm>

namespace millrace::state {

bool is_section_name(std::string_view name) {
    const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
    return !name.empty() && is_letter(name.front()) && std::ranges::all_of(name, [&](char c) {
        return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '.';
    });
}

Status MemorySnapshot::write(std::string_view name, std::span<const std::byte> bytes) {
    if (!is_section_name(name)) {
        return fail(Code::kInvalidArgument, "a snapshot's section has a bad name: `{}`", name);
    }
    auto& section = sections_.try_emplace(std::string(name)).first->second;
    if (bytes.size() > section_bytes_max_ - section.size()) {
        return fail(Code::kResourceExhausted,
                    "a snapshot's section is too large: `{}`, at most {} bytes", name,
                    section_bytes_max_);
    }
    section.insert(section.end(), bytes.begin(), bytes.end());
    return {};
}

Result<std::span<const std::byte>> MemorySnapshot::read(std::string_view name) {
    const auto found = sections_.find(name);
    if (found == sections_.end()) {
        return fail(Code::kNotFound, "a snapshot has no section `{}`", name);
    }
    return std::span<const std::byte>(found->second);
}

}  // namespace millrace::state
