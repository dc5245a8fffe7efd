#include "runtime/jobfile/damage.h"

#include <algorithm>

#include "runtime/config/yaml_tree.h"

namespace millrace::jobfile {
namespace {

std::string_view section_of_path(std::string_view path) {
    const std::size_t end = path.find_last_of(".[");
    return end == std::string_view::npos ? std::string_view() : path.substr(0, end);
}

// What follows `section` in `path`, without the dot; empty if it is not in it.
std::string_view rest_in(std::string_view section, std::string_view path) {
    if (section.empty()) return path;
    if (!path.starts_with(section) || path.size() <= section.size() + 1) return {};
    const char next = path[section.size()];
    return next == '.' || next == '[' ? path.substr(section.size() + 1) : std::string_view();
}

}  // namespace

Damage::Damage(const std::vector<config::Diagnostic>& errors, const Places& places)
    : places_(places) {
    for (const config::Diagnostic& error : errors) paths_.insert(error.path);
}

bool Damage::is_in(const std::string& path, std::initializer_list<std::string_view> besides) const {
    return std::ranges::any_of(paths_, [&](const std::string& damaged) {
        const std::string_view rest = rest_in(path, damaged);
        const std::string_view key = rest.substr(0, rest.find_first_of(".["));
        return damaged == path ||
               (!rest.empty() && std::ranges::find(besides, key) == besides.end());
    });
}

bool Damage::has_lost(const std::string& path) const {
    const std::string_view section = section_of_path(path);
    return !places_.is_written(path) &&
           std::ranges::any_of(paths_, [&](const std::string& damaged) {
               const bool is_unknown =
                   section_of_path(damaged) == section && !places_.is_written(damaged);
               return damaged == section || is_unknown;
           });
}

bool Damage::may_hide(const std::string& section, std::string_view name) const {
    return may_hide_all(section) || is_in(config::path_of(section, name));
}

}  // namespace millrace::jobfile
