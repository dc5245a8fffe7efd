#include "memory/system_memory.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string_view>

#include <fmt/format.h>
#include <unistd.h>

namespace millrace::memory {
namespace {

std::optional<std::uint64_t> number_at_start(std::string_view text) {
    std::uint64_t number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec != std::errc{}) return std::nullopt;
    return number;
}

// Version 1 says "no limit" by a number close to 2^63, version 2 by the word "max".
std::optional<std::uint64_t> limit_in(const SystemFiles& files, const std::string& path) {
    constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;
    const auto text = files.read(path);
    if (!text) return std::nullopt;
    const auto number = number_at_start(*text);
    return number && *number < kNoLimit ? number : std::nullopt;
}

// The smallest limit on the way from `group` up to the root. In a container the path of the host
// may not exist; then only the root answers, which is the container's own group.
std::optional<std::uint64_t> smallest_limit(const SystemFiles& files, const std::string& root,
                                            std::string group, const std::string& file) {
    std::optional<std::uint64_t> smallest;
    while (true) {
        if (group == "/") group.clear();
        const auto limit = limit_in(files, fmt::format("{}{}/{}", root, group, file));
        if (limit) smallest = smallest ? std::min(*smallest, *limit) : limit;
        if (group.empty()) return smallest;
        group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
    }
}

// The group's path in one line of /proc/self/cgroup, "number:controllers:path"; nullopt when the
// line is about other controllers.
std::optional<std::string> group_in(std::string_view line, std::string_view controller) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) return std::nullopt;
    const std::string list = fmt::format(",{},", line.substr(first + 1, second - first - 1));
    if (list.find(fmt::format(",{},", controller)) == std::string::npos) return std::nullopt;
    return std::string(line.substr(second + 1));
}

}  // namespace

std::optional<std::string> SystemFiles::read(const std::string& path) const {
    std::ifstream file(path, std::ios::binary);
    if (!file) return std::nullopt;
    std::string text(kFileBytesMax, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

std::optional<std::uint64_t> cgroup_limit_bytes(const SystemFiles& files) {
    const auto groups = files.read("/proc/self/cgroup");
    if (!groups) return std::nullopt;
    std::optional<std::uint64_t> smallest;
    const auto consider = [&](std::optional<std::uint64_t> limit) {
        if (limit) smallest = smallest ? std::min(*smallest, *limit) : limit;
    };
    for (std::string_view rest = *groups; !rest.empty();) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        if (const auto group = group_in(line, "")) {
            consider(smallest_limit(files, "/sys/fs/cgroup", *group, "memory.max"));
        }
        if (const auto group = group_in(line, "memory")) {
            consider(
                smallest_limit(files, "/sys/fs/cgroup/memory", *group, "memory.limit_in_bytes"));
        }
    }
    return smallest;
}

std::optional<std::uint64_t> physical_bytes() {
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    if (pages <= 0) return std::nullopt;
    return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::optional<std::uint64_t> resident_bytes(const SystemFiles& files) {
    const auto text = files.read("/proc/self/statm");
    if (!text) return std::nullopt;
    const std::size_t space = text->find(' ');
    if (space == std::string::npos) return std::nullopt;
    const auto pages = number_at_start(std::string_view(*text).substr(space + 1));
    if (!pages) return std::nullopt;
    return *pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace millrace::memory
