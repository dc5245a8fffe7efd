#include "runtime/process/process_settings.h"

#include <algorithm>

#include <fmt/core.h>

#include "operators/kafka/kafka_clusters.h"
#include "runtime/config/settings_file.h"
#include "runtime/config/text_file.h"
#include "runtime/config/variables.h"

namespace millrace::process {
namespace {

Result<Settings> settings_in(const std::string& path) {
    const auto text = config::read_text_file(path);
    if (!text) {
        return std::unexpected(
            Error(text.error())
                .with_context(fmt::format("cannot read the configuration file {}", path)));
    }
    config::SourceTexts sources;
    // Without its text, so that no line is repeated in a log: it may hold a password.
    const std::uint32_t number = sources.add(path, "");
    const config::SettingsFile read = config::read_settings_file(*text, number);
    if (!read.diagnostics.empty()) {
        return fail(Code::kInvalidOption, "the configuration file is not valid\n{}",
                    config::report(read.diagnostics, sources, config::ReportForm::kText));
    }
    Settings settings;
    settings.reserve(read.settings.size());
    for (const config::FileSetting& setting : read.settings)
        settings.push_back({setting.key, setting.value, path, static_cast<int>(setting.line)});
    return settings;
}

}  // namespace

Result<Settings> read_settings(const cli::CommandLine& line) {
    Settings settings;
    if (!line.config_file.empty()) {
        MILLRACE_TRY_ASSIGN(settings, settings_in(line.config_file));
    }
    Settings flags;
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

std::optional<std::string> find_setting(const Settings& settings, std::string_view key) {
    const auto found = std::ranges::find(settings, key, &memory::Setting::key);
    return found == settings.end() ? std::nullopt : std::optional(found->value);
}

Settings memory_settings(Settings settings) {
    std::erase_if(settings, [](const memory::Setting& setting) {
        return setting.key == kMetricsPortKey || operators::is_kafka_key(setting.key);
    });
    return settings;
}

Result<std::vector<operators::KafkaConnection>> kafka_clusters_of(const cli::CommandLine& line,
                                                                  Settings settings) {
    if (!line.kafka.empty()) {
        std::erase_if(settings,
                      [](const memory::Setting& one) { return one.key == kDefaultBrokersKey; });
        settings.push_back({.key = std::string(kDefaultBrokersKey), .value = line.kafka});
    }
    return operators::kafka_clusters_of(
        settings, {.file = config::read_text_file, .variable = config::process_environment()});
}

}  // namespace millrace::process
