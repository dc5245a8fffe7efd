#include "runtime/config/options_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "runtime/base/check.h"
#include "runtime/config/suggestion.h"
#include "runtime/config/units.h"

namespace millrace::config {
namespace {

constexpr std::string_view kHidden = "<hidden>";

struct ValueFault {
    std::string_view code;
    std::string message;
    std::string fix;
};

// One part of a dotted name, and what follows it.
std::pair<std::string_view, std::string_view> first_part(std::string_view name) {
    const std::size_t dot = std::min(name.find('.'), name.size());
    return {name.substr(0, dot), name.substr(std::min(dot + 1, name.size()))};
}

bool matches(std::string_view name, std::string_view pattern) {
    while (!pattern.empty() && !name.empty()) {
        if (pattern == "**") {
            return true;
        }
        const auto [part, rest] = first_part(name);
        const auto [wanted, wanted_rest] = first_part(pattern);
        if (wanted != "*" && wanted != part) {
            return false;
        }
        name = rest;
        pattern = wanted_rest;
    }
    return name.empty() && pattern.empty();
}

bool is_pattern(std::string_view name) { return name.find('*') != std::string_view::npos; }

// A number of any type, for comparing with bounds.
std::expected<double, ValueFault> numeric(OptionType type, std::string_view text) {
    const auto from_unit =
        [](const UnitResult<std::int64_t>& value) -> std::expected<double, ValueFault> {
        if (value) {
            return static_cast<double>(*value);
        }
        return std::unexpected(ValueFault{value.error().needs_unit ? "E021" : "E022",
                                          value.error().message, value.error().fix});
    };
    if (type == OptionType::kTime) {
        return from_unit(parse_duration_ms(text));
    }
    if (type == OptionType::kSize) {
        return from_unit(parse_memory_size(text));
    }
    double value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    std::int64_t count = 0;
    const bool whole = type != OptionType::kCount ||
                       (std::from_chars(text.data(), end, count).ec == std::errc() &&
                        text.find_first_not_of("0123456789") == std::string_view::npos);
    if (text.empty() || error != std::errc() || stop != end || !std::isfinite(value) || !whole) {
        const std::string_view kind =
            type == OptionType::kCount ? "a whole number from 0 on" : "a number";
        return std::unexpected(
            ValueFault{"E014", fmt::format("is {}, and \"{}\" is none", kind, text), ""});
    }
    return value;
}

std::expected<void, ValueFault> check_word(const OptionSpec& spec, std::string_view text) {
    std::vector<std::string_view> words;
    for (std::string_view rest = spec.words; !rest.empty();) {
        const std::size_t bar = std::min(rest.find('|'), rest.size());
        words.push_back(rest.substr(0, bar));
        rest.remove_prefix(std::min(bar + 1, rest.size()));
    }
    if (std::ranges::find(words, text) != words.end()) {
        return {};
    }
    return std::unexpected(
        ValueFault{"E015", fmt::format("cannot be \"{}\"", text), suggestion(text, words)});
}

std::expected<void, ValueFault> check_number(const OptionSpec& spec, std::string_view text) {
    const auto value = numeric(spec.type, text);
    if (!value) {
        return std::unexpected(value.error());
    }
    const auto out_of_range = [&](std::string_view side, std::string_view bound) {
        return std::unexpected(
            ValueFault{"E023", fmt::format("is {}, but must be {} {}", text, side, bound), ""});
    };
    const bool fraction = spec.type == OptionType::kFraction;
    const std::string_view min = spec.min.empty() && fraction ? "0" : spec.min;
    const std::string_view max = spec.max.empty() && fraction ? "1" : spec.max;
    if (!min.empty() && *value < *numeric(spec.type, min)) {
        return out_of_range("at least", min);
    }
    if (!max.empty() && *value > *numeric(spec.type, max)) {
        return out_of_range("at most", max);
    }
    return {};
}

std::expected<void, ValueFault> check_value(const OptionSpec& spec, std::string_view text) {
    switch (spec.type) {
        case OptionType::kText:
        case OptionType::kList:
            return {};
        case OptionType::kBool:
            if (text == "true" || text == "false") {
                return {};
            }
            return std::unexpected(
                ValueFault{"E014", fmt::format("is true or false, and \"{}\" is neither", text),
                           "write true or false"});
        case OptionType::kWord:
            return check_word(spec, text);
        default:
            return check_number(spec, text);
    }
}

std::string_view type_word(OptionType type) {
    switch (type) {
        case OptionType::kText:
            return "text";
        case OptionType::kBool:
            return "true or false";
        case OptionType::kCount:
            return "whole number";
        case OptionType::kNumber:
            return "number";
        case OptionType::kFraction:
            return "fraction";
        case OptionType::kTime:
            return "time";
        case OptionType::kSize:
            return "size";
        case OptionType::kWord:
            return "word";
        case OptionType::kList:
            return "list";
    }
    return "";
}

std::string range_text(const OptionSpec& spec) {
    if (spec.type == OptionType::kWord) {
        std::string words(spec.words);
        std::ranges::replace(words, '|', ' ');
        return words;
    }
    if (!spec.min.empty() && !spec.max.empty()) {
        return fmt::format("{} to {}", spec.min, spec.max);
    }
    if (!spec.min.empty()) {
        return fmt::format("from {}", spec.min);
    }
    return spec.max.empty() ? "" : fmt::format("up to {}", spec.max);
}

// The value of a list that is written as a YAML list.
std::optional<std::string> joined(const YamlNode& list) {
    std::string out;
    for (const YamlNode& item : list.items) {
        if (item.kind != YamlNode::Kind::kScalar) {
            return std::nullopt;
        }
        out += (out.empty() ? "" : ",") + item.text;
    }
    return out;
}

}  // namespace

OptionsTable::OptionsTable(std::vector<OptionSpec> specs) : specs_(std::move(specs)) {
    std::set<std::string_view> names;
    for (const OptionSpec& spec : specs_) {
        MILLRACE_CHECK(names.insert(spec.name).second);
        MILLRACE_CHECK(spec.default_value.empty() || check_value(spec, spec.default_value));
    }
}

const OptionSpec* OptionsTable::find(std::string_view name) const {
    const OptionSpec* by_pattern = nullptr;
    for (const OptionSpec& spec : specs_) {
        if (spec.name == name) {
            return &spec;
        }
        if (by_pattern == nullptr && is_pattern(spec.name) && matches(name, spec.name)) {
            by_pattern = &spec;
        }
    }
    return by_pattern;
}

std::string OptionsTable::markdown() const {
    std::string out = "| key | type | default | range | meaning |\n|---|---|---|---|---|\n";
    for (const Audience audience : {Audience::kUser, Audience::kTuning}) {
        for (const OptionSpec& spec : specs_) {
            if (spec.audience == audience && spec.rejected.empty()) {
                out +=
                    fmt::format("| `{}` | {} | {} | {} | {} |\n", spec.name, type_word(spec.type),
                                spec.default_value, range_text(spec), spec.doc);
            }
        }
    }
    return out;
}

std::string environment_name(std::string_view option) {
    std::string out = "MILLRACE_";
    for (const char letter : option) {
        if (letter >= 'a' && letter <= 'z') {
            out += static_cast<char>(letter - 'a' + 'A');
        } else {
            const bool fine = (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9');
            out += fine ? letter : '_';
        }
    }
    return out;
}

std::string_view to_string(OptionOrigin origin) {
    switch (origin) {
        case OptionOrigin::kDefault:
            return "default";
        case OptionOrigin::kFile:
            return "file";
        case OptionOrigin::kEnvironment:
            return "env";
        case OptionOrigin::kFlag:
            return "flag";
    }
    return "";
}

std::vector<Diagnostic> OptionValues::read_file(const YamlNode& root) {
    std::vector<Diagnostic> diagnostics;
    if (root.kind == YamlNode::Kind::kMapping) {
        read_section(root, "", diagnostics);
    } else if (!root.is_null()) {
        diagnostics.push_back({.code = "E013",
                               .mark = root.mark,
                               .message = "the file holds no keys",
                               .fix = "write key: value"});
    }
    return diagnostics;
}

void OptionValues::read_section(const YamlNode& node, const std::string& prefix,
                                std::vector<Diagnostic>& diagnostics) {
    for (const YamlEntry& entry : node.entries) {
        const std::string name = path_of(prefix, entry.key);
        if (entry.value.kind == YamlNode::Kind::kMapping) {
            read_section(entry.value, name, diagnostics);
        } else {
            read_entry(entry, name, diagnostics);
        }
    }
}

void OptionValues::read_entry(const YamlEntry& entry, const std::string& name,
                              std::vector<Diagnostic>& diagnostics) {
    const OptionSpec* spec = table_.find(name);
    if (spec == nullptr || !spec->rejected.empty()) {
        take(name, "", OptionOrigin::kFile, entry.key_mark, diagnostics);
        return;
    }
    std::optional<std::string> text;
    if (entry.value.kind == YamlNode::Kind::kScalar && !entry.value.is_null()) {
        text = entry.value.text;
    } else if (spec->type == OptionType::kList) {
        text = joined(entry.value);
    }
    if (!text) {
        diagnostics.push_back({.code = "E013",
                               .mark = entry.value.mark,
                               .path = name,
                               .message = fmt::format("`{}` takes one value", name),
                               .fix = ""});
        return;
    }
    if (is_set(name)) {
        diagnostics.push_back({.code = "E011",
                               .mark = entry.key_mark,
                               .path = name,
                               .message = fmt::format("key \"{}\" is given twice", name),
                               .fix = "remove one of them"});
        return;
    }
    take(name, *std::move(text), OptionOrigin::kFile, entry.value.mark, diagnostics);
}

void OptionValues::take(const std::string& name, std::string text, OptionOrigin origin, Mark mark,
                        std::vector<Diagnostic>& diagnostics) {
    const OptionSpec* spec = table_.find(name);
    if (spec == nullptr) {
        std::vector<std::string_view> known;
        for (const OptionSpec& entry : table_.specs()) {
            known.push_back(entry.name);
        }
        const auto meant = nearest(name, known);
        diagnostics.push_back({.code = "E010",
                               .mark = mark,
                               .path = name,
                               .message = fmt::format("unknown key \"{}\"", name),
                               .fix = meant ? fmt::format("did you mean \"{}\"?", *meant)
                                            : "`millrace options` lists the keys"});
        return;
    }
    if (!spec->rejected.empty()) {
        diagnostics.push_back({.code = "E010",
                               .mark = mark,
                               .path = name,
                               .message = fmt::format("there is no key \"{}\"", name),
                               .fix = std::string(spec->rejected)});
        return;
    }
    if (auto fine = check_value(*spec, text); !fine) {
        const std::string where = origin == OptionOrigin::kEnvironment
                                      ? fmt::format("`{}` ({})", name, environment_name(name))
                                      : fmt::format("`{}`", name);
        diagnostics.push_back({.code = std::string(fine.error().code),
                               .mark = mark,
                               .path = name,
                               .message = fmt::format("{} {}", where, fine.error().message),
                               .fix = std::move(fine.error().fix)});
        return;
    }
    values_.insert_or_assign(name, Value{std::move(text), origin});
}

std::vector<Diagnostic> OptionValues::read_environment(const VariableLookup& lookup) {
    std::vector<Diagnostic> diagnostics;
    for (const OptionSpec& spec : table_.specs()) {
        if (is_pattern(spec.name)) {
            continue;
        }
        if (auto text = lookup(environment_name(spec.name))) {
            take(std::string(spec.name), *std::move(text), OptionOrigin::kEnvironment,
                 {.file = kNoFile}, diagnostics);
        }
    }
    return diagnostics;
}

std::vector<Diagnostic> OptionValues::set_flag(std::string_view name, std::string_view text) {
    std::vector<Diagnostic> diagnostics;
    take(std::string(name), std::string(text), OptionOrigin::kFlag, {.file = kNoFile}, diagnostics);
    return diagnostics;
}

std::optional<std::string> OptionValues::find(std::string_view name) const {
    if (const auto found = values_.find(name); found != values_.end()) {
        return found->second.text;
    }
    const OptionSpec* spec = table_.find(name);
    if (spec == nullptr || spec->default_value.empty()) {
        return std::nullopt;
    }
    return std::string(spec->default_value);
}

bool OptionValues::is_set(std::string_view name) const {
    return values_.find(name) != values_.end();
}

std::string OptionValues::required(std::string_view name) const {
    std::optional<std::string> value = find(name);
    MILLRACE_CHECK(value.has_value());
    return *std::move(value);
}

std::string OptionValues::text(std::string_view name) const { return required(name); }

bool OptionValues::boolean(std::string_view name) const { return required(name) == "true"; }

std::int64_t OptionValues::count(std::string_view name) const {
    const std::string text = required(name);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    MILLRACE_CHECK(error == std::errc() && end == text.data() + text.size());
    return value;
}

double OptionValues::number(std::string_view name) const {
    return numeric(OptionType::kNumber, required(name)).value();
}

std::int64_t OptionValues::time_ms(std::string_view name) const {
    return parse_duration_ms(required(name)).value();
}

std::int64_t OptionValues::size_bytes(std::string_view name) const {
    return parse_memory_size(required(name)).value();
}

std::vector<std::string> OptionValues::list(std::string_view name) const {
    const std::string text = find(name).value_or("");
    std::vector<std::string> items;
    for (std::string_view rest = text; !rest.empty();) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        std::string_view item = rest.substr(0, comma);
        item.remove_prefix(std::min(item.find_first_not_of(' '), item.size()));
        item = item.substr(0, item.find_last_not_of(' ') + 1);
        if (!item.empty()) {
            items.emplace_back(item);
        }
        rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return items;
}

std::map<std::string, std::string> OptionValues::below(std::string_view prefix) const {
    std::map<std::string, std::string> out;
    for (const auto& [name, value] : values_) {
        if (name.starts_with(prefix)) {
            out.emplace(name.substr(prefix.size()), value.text);
        }
    }
    return out;
}

std::vector<EffectiveOption> OptionValues::effective() const {
    std::map<std::string, EffectiveOption> all;
    for (const OptionSpec& spec : table_.specs()) {
        if (!spec.default_value.empty()) {
            const std::string name(spec.name);
            all[name] = {name, std::string(spec.default_value), OptionOrigin::kDefault};
        }
    }
    for (const auto& [name, value] : values_) {
        all[name] = {name, value.text, value.origin};
    }
    std::vector<EffectiveOption> out;
    for (auto& [name, option] : all) {
        if (table_.find(name)->secret) {
            option.text = kHidden;
        }
        out.push_back(std::move(option));
    }
    return out;
}

}  // namespace millrace::config
