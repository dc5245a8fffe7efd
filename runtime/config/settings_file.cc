#include "runtime/config/settings_file.h"

#include <utility>

#include <fmt/format.h>

#include "runtime/config/yaml_tree.h"

namespace millrace::config {
namespace {

using Kind = YamlNode::Kind;

void report(std::string_view code, Mark mark, const std::string& path, std::string message,
            SettingsFile& result) {
    result.diagnostics.push_back({.code = std::string(code),
                                  .mark = mark,
                                  .path = path,
                                  .message = std::move(message),
                                  .fix = "write key: value, or remove it"});
}

// What YAML makes of a value without quotes is repeated in these, and it may be a password.
void hide_values(std::vector<Diagnostic>& diagnostics) {
    for (Diagnostic& diagnostic : diagnostics) {
        if (diagnostic.code == "E007")
            diagnostic.message = "tags, aliases and merge keys are not for settings";
        if (diagnostic.code == "E007" || diagnostic.code == "E017")
            diagnostic.fix = "put quotes around the value";
    }
}

void read_section(const YamlNode& section, const std::string& path, SettingsFile& result) {
    for (const YamlEntry& entry : section.entries) {
        const std::string key = path_of(path, entry.key);
        if (entry.value.kind == Kind::kMapping) {
            read_section(entry.value, key, result);
        } else if (entry.value.kind == Kind::kSequence) {
            report("E013", entry.value.mark, key,
                   fmt::format("`{}` takes one value, not a list", key), result);
        } else if (entry.value.is_null()) {
            report("E019", entry.key_mark, key, fmt::format("`{}` has no value", key), result);
        } else {
            result.settings.push_back({key, entry.value.text, entry.key_mark.line});
        }
    }
}

}  // namespace

SettingsFile read_settings_file(std::string_view text, std::uint32_t file) {
    SettingsFile result;
    YamlDocument document = read_yaml(text, file);
    // One whose every setting is commented out.
    if (document.is_empty || (document.root && document.root->is_null())) return result;
    result.diagnostics = std::move(document.diagnostics);
    hide_values(result.diagnostics);
    if (!document.root) return result;
    if (document.root->kind == Kind::kMapping) {
        read_section(*document.root, "", result);
    } else {
        report("E013", document.root->mark, "", "the file holds no settings", result);
    }
    return result;
}

}  // namespace millrace::config
