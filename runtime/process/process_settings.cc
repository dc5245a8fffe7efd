#include "runtime/process/process_settings.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "runtime/config/settings_file.h"

namespace millrace::process {
namespace {

Result<std::vector<memory::Setting>> settings_in(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    // An empty file is none of its failures.
    if (file.peek() != std::ifstream::traits_type::eof()) text << file.rdbuf();
    if (!file.is_open() || file.bad() || !text) {
        const int cause = errno;
        return fail(cause == EACCES ? Code::kPermissionDenied : Code::kInvalidOption,
                    "cannot read the configuration file {}: {}", path, std::strerror(cause));
    }
    config::SourceTexts sources;
    const std::uint32_t number = sources.add(path, text.str());
    const config::SettingsFile read = config::read_settings_file(text.str(), number);
    if (!read.diagnostics.empty()) {
        return fail(Code::kInvalidOption, "the configuration file is not valid\n{}",
                    config::report(read.diagnostics, sources, config::ReportForm::kText));
    }
    std::vector<memory::Setting> settings;
    settings.reserve(read.settings.size());
    for (const config::FileSetting& setting : read.settings)
        settings.push_back({setting.key, setting.value, path, static_cast<int>(setting.line)});
    return settings;
}

}  // namespace

Result<std::vector<memory::Setting>> read_settings(const cli::CommandLine& line) {
    std::vector<memory::Setting> settings;
    if (!line.config_file.empty()) {
        MILLRACE_TRY_ASSIGN(settings, settings_in(line.config_file));
    }
    std::vector<memory::Setting> flags;
    flags.reserve(line.settings.size());
    for (const std::string& text : line.settings) {
        const std::size_t equals = text.find('=');  // The command line has seen to it.
        flags.push_back({.key = text.substr(0, equals), .value = text.substr(equals + 1)});
    }
    std::erase_if(settings, [&](const memory::Setting& setting) {
        return find_setting(flags, setting.key).has_value();
    });
    settings.insert(settings.end(), flags.begin(), flags.end());
    return settings;
}

std::optional<std::string> find_setting(const std::vector<memory::Setting>& settings,
                                        std::string_view key) {
    const auto found = std::ranges::find(settings, key, &memory::Setting::key);
    return found == settings.end() ? std::nullopt : std::optional(found->value);
}

}  // namespace millrace::process
