#include "runtime/config/variables.h"

#include <cstdlib>
#include <expected>
#include <utility>

#include <fmt/format.h>

namespace millrace::config {
namespace {

struct Fault {
    std::string_view code;
    std::string message;
    std::string fix;
};

using Filled = std::expected<std::string, Fault>;

bool is_name(std::string_view text) {
    if (text.empty() || (text.front() >= '0' && text.front() <= '9')) {
        return false;
    }
    for (const char letter : text) {
        const bool fine = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                          (letter >= '0' && letter <= '9') || letter == '_';
        if (!fine) {
            return false;
        }
    }
    return true;
}

Filled unset(std::string_view name, std::string_view message) {
    return std::unexpected(Fault{"E004",
                                 message.empty()
                                     ? fmt::format("the variable {} is not set", name)
                                     : fmt::format("the variable {} is not set: {}", name, message),
                                 fmt::format("set {0}, or write ${{{0}:-default}}", name)});
}

// The value of what stands between `${` and `}`.
Filled value_of(std::string_view inside, const VariableLookup& lookup) {
    const std::size_t colon = inside.find(':');
    const std::string_view name = inside.substr(0, colon);
    const std::string_view rest = colon == std::string_view::npos ? "" : inside.substr(colon);
    const bool known = rest.empty() || rest.starts_with(":-") || rest.starts_with(":?");
    if (!is_name(name) || !known) {
        return std::unexpected(
            Fault{"E005", fmt::format("\"${{{}}}\" is not a variable", inside),
                  "write ${NAME}, ${NAME:-default} or ${NAME:?message}; $$ for a dollar"});
    }
    std::optional<std::string> value = lookup(name);
    if (rest.starts_with(":-") && (!value || value->empty())) {
        return std::string(rest.substr(2));
    }
    if (rest.starts_with(":?") && (!value || value->empty())) {
        return unset(name, rest.substr(2));
    }
    if (!value) {
        return unset(name, "");
    }
    return *std::move(value);
}

Filled filled(std::string_view text, const VariableLookup& lookup) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '$' || i + 1 == text.size()) {
            out += text[i];
        } else if (text[i + 1] == '$') {
            out += '$';
            ++i;
        } else if (text[i + 1] == '{') {
            const std::size_t end = text.find('}', i);
            if (end == std::string_view::npos) {
                return std::unexpected(
                    Fault{"E005", "a variable is not closed", "close it with '}'"});
            }
            Filled value = value_of(text.substr(i + 2, end - i - 2), lookup);
            if (!value) {
                return value;
            }
            out += *value;
            i = end;
        } else {
            out += '$';
        }
        if (out.size() > kFilledBytesMax) {
            return std::unexpected(
                Fault{"E003", fmt::format("a value longer than {} bytes", kFilledBytesMax), ""});
        }
    }
    return out;
}

// Calls `visit(scalar, path)` for every scalar value below `node`.
template <class Node, class Visit>
void for_each_scalar(Node& node, const std::string& path, const Visit& visit) {
    if (node.kind == YamlNode::Kind::kScalar) {
        visit(node, path);
        return;
    }
    for (auto& entry : node.entries) {
        for_each_scalar(entry.value, path_of(path, entry.key), visit);
    }
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        for_each_scalar(node.items[i], path_of(path, i), visit);
    }
}

}  // namespace

VariableLookup process_environment() {
    return [](std::string_view name) -> std::optional<std::string> {
        const char* value = std::getenv(std::string(name).c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
    };
}

std::vector<Diagnostic> fill_variables(YamlNode& root, const VariableLookup& lookup) {
    std::vector<Diagnostic> diagnostics;
    for_each_scalar(root, "", [&](YamlNode& node, const std::string& path) {
        if (node.text.find('$') == std::string::npos) {
            return;
        }
        Filled value = filled(node.text, lookup);
        if (value) {
            node.text = *std::move(value);
            return;
        }
        diagnostics.push_back({.code = std::string(value.error().code),
                               .mark = node.mark,
                               .path = path,
                               .message = std::move(value.error().message),
                               .fix = std::move(value.error().fix)});
    });
    return diagnostics;
}

std::vector<Diagnostic> refuse_variables(const YamlNode& root) {
    std::vector<Diagnostic> diagnostics;
    for_each_scalar(root, "", [&](const YamlNode& node, const std::string& path) {
        if (node.text.find("${") != std::string::npos) {
            diagnostics.push_back({.code = "E104",
                                   .mark = node.mark,
                                   .path = path,
                                   .message = "variables are filled in where the job is submitted "
                                              "from, never by the server",
                                   .fix = "submit with `millrace submit`, or write the value"});
        }
    });
    return diagnostics;
}

}  // namespace millrace::config
