#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "runtime/config/yaml_tree.h"

namespace millrace::config {
namespace {

bool is_safe(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '_' || letter == '-' || letter == '.' ||
           letter == '/' || letter == '%' || letter == '+';
}

bool reads_as_itself(std::string_view text) {
    return !text.empty() && text != "null" && text != "~" && text != "<<" &&
           text.find_first_of("-.%+") != 0 && std::ranges::all_of(text, is_safe);
}

bool starts_number(std::string_view text) {
    return text.size() > 1 && (text[0] == '-' || text[0] == '.') && text[1] >= '0' &&
           text[1] <= '9' && std::ranges::all_of(text, is_safe);
}

void append_quoted(std::string& out, std::string_view text) {
    out += '"';
    for (const char letter : text) {
        switch (letter) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\t':
                out += "\\t";
                break;
            default:
                if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f) {
                    out += fmt::format("\\x{:02x}", static_cast<unsigned char>(letter));
                } else {
                    out += letter;
                }
        }
    }
    out += '"';
}

void write_block(std::string& out, const YamlNode& node, std::size_t indent);

// Writes what follows "key:" or "-" at `indent`.
void write_value(std::string& out, const YamlNode& node, std::size_t indent) {
    if (node.kind == YamlNode::Kind::kScalar) {
        out += node.is_null() ? "" : " " + yaml_scalar(node.text);
        out += '\n';
    } else if (node.entries.empty() && node.items.empty()) {
        out += node.kind == YamlNode::Kind::kMapping ? " {}\n" : " []\n";
    } else {
        out += '\n';
        write_block(out, node, indent + 2);
    }
}

void write_block(std::string& out, const YamlNode& node, std::size_t indent) {
    const std::string margin(indent, ' ');
    for (const YamlEntry& entry : node.entries) {
        out += margin + yaml_scalar(entry.key) + ":";
        write_value(out, entry.value, indent);
    }
    for (const YamlNode& item : node.items) {
        out += margin + "-";
        write_value(out, item, indent);
    }
}

}  // namespace

std::string yaml_scalar(std::string_view text) {
    if (reads_as_itself(text) || starts_number(text)) {
        return std::string(text);
    }
    std::string out;
    append_quoted(out, text);
    return out;
}

std::string write_yaml(const YamlNode& root) {
    std::string out;
    if (root.kind == YamlNode::Kind::kScalar) {
        return yaml_scalar(root.text) + "\n";
    }
    write_block(out, root, 0);
    return out.empty() ? (root.kind == YamlNode::Kind::kMapping ? "{}\n" : "[]\n") : out;
}

}  // namespace millrace::config
