#include "runtime/config/layers.h"

#include <utility>

#include <fmt/format.h>

namespace millrace::config {
namespace {

YamlEntry* entry_of(YamlNode& mapping, std::string_view key) {
    for (YamlEntry& entry : mapping.entries) {
        if (entry.key == key) {
            return &entry;
        }
    }
    return nullptr;
}

// Puts the value under the dotted path into a tree of mappings of its own.
YamlNode nested(std::string_view path, YamlNode value, Mark mark) {
    const std::size_t dot = path.find('.');
    YamlNode mapping;
    mapping.kind = YamlNode::Kind::kMapping;
    mapping.mark = mark;
    YamlNode inner = dot == std::string_view::npos
                         ? std::move(value)
                         : nested(path.substr(dot + 1), std::move(value), mark);
    mapping.entries.push_back({std::string(path.substr(0, dot)), mark, std::move(inner)});
    return mapping;
}

bool is_path(std::string_view path, std::size_t levels_max) {
    std::size_t levels = 1;
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (path[i] == '.') {
            ++levels;
        }
    }
    return !path.empty() && path.front() != '.' && path.back() != '.' &&
           path.find("..") == std::string_view::npos && levels <= levels_max;
}

// Moves marks of the value text to where it stands in the assignment.
void shift(YamlNode& node, std::uint32_t columns) {
    node.mark.column += columns;
    node.mark.end_column += columns;
    for (YamlEntry& entry : node.entries) {
        entry.key_mark.column += columns;
        entry.key_mark.end_column += columns;
        shift(entry.value, columns);
    }
    for (YamlNode& item : node.items) {
        shift(item, columns);
    }
}

}  // namespace

void merge_layer(YamlNode& base, YamlNode top) {
    if (base.kind != YamlNode::Kind::kMapping || top.kind != YamlNode::Kind::kMapping) {
        base = std::move(top);
        return;
    }
    for (YamlEntry& entry : top.entries) {
        if (YamlEntry* below = entry_of(base, entry.key)) {
            below->key_mark = entry.key_mark;
            merge_layer(below->value, std::move(entry.value));
        } else {
            base.entries.push_back(std::move(entry));
        }
    }
}

std::vector<Diagnostic> apply_assignment(YamlNode& root, SourceTexts& sources,
                                         const std::string& assignment) {
    const std::uint32_t shown = sources.add("--set", assignment);
    const std::size_t equals = assignment.find('=');
    const std::string path = assignment.substr(0, equals);
    if (equals == std::string::npos || !is_path(path, YamlLimits{}.depth_max)) {
        return {{.code = "E010",
                 .mark = {shown, 1, 1, 1, static_cast<std::uint32_t>(path.size() + 1)},
                 .message = fmt::format("--set {} names no key", assignment),
                 .fix = "write it like --set runtime.parallelism=8"}};
    }
    YamlDocument document = read_yaml(std::string_view(assignment).substr(equals + 1), shown);
    const auto columns = static_cast<std::uint32_t>(equals + 1);
    for (Diagnostic& diagnostic : document.diagnostics) {
        diagnostic.mark.column += columns;
        diagnostic.mark.end_column += columns;
    }
    if (document.root) {
        shift(*document.root, columns);
        const Mark mark{shown, 1, 1, 1, columns};
        merge_layer(root, nested(path, *std::move(document.root), mark));
    }
    return std::move(document.diagnostics);
}

}  // namespace millrace::config
