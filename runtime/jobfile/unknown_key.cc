#include "runtime/jobfile/unknown_key.h"

#include <algorithm>
#include <array>
#include <ranges>

#include <fmt/format.h>

#include "runtime/base/nearest_word.h"
#include "runtime/config/suggestion.h"
#include "runtime/jobfile/foreign_words.h"

namespace millrace::jobfile {
namespace {

using config::YamlEntry;
using config::YamlNode;

// Sections beside a key that are looked at for it: a file of wrong keys alone is read in time, too.
constexpr std::size_t kSiblingsMax = 200;

bool is_legal(const std::vector<LegalKey>& keys, std::string_view key) {
    return std::ranges::find(keys, key, &LegalKey::key) != keys.end();
}

// The keys legal in a message that is written as `node`.
std::vector<LegalKey> keys_inside(const YamlNode& node, const Descriptor& section, Naming naming) {
    const FieldDescriptor* arm = nullptr;
    if (section_of(section).flat_type()) {
        const YamlNode* type = node.find("type");
        arm = type == nullptr ? nullptr : find_arm(section, type->text);
    }
    return legal_keys(section, arm, naming);
}

std::string spaces(std::uint32_t count) {
    constexpr std::array kWords{"", "one", "two", "three", "four", "five", "six", "seven", "eight"};
    const std::string number =
        count < kWords.size() ? std::string(kWords[count]) : fmt::format("{}", count);
    return fmt::format("{} more space{}", number, count == 1 ? "" : "s");
}

// True for { a: b }: a mapping in block style begins with its first key.
bool is_flow(const YamlNode& mapping) {
    return mapping.entries.empty() || mapping.entries.front().key_mark.line != mapping.mark.line ||
           mapping.entries.front().key_mark.column != mapping.mark.column;
}

// "`negatives` belongs inside `labeled`; indent it two more spaces".
std::string move_inside(const YamlEntry& entry, const YamlEntry& target) {
    const YamlNode& inner = target.value;
    if (is_flow(inner) || inner.entries.front().key_mark.column <= entry.key_mark.column) {
        return fmt::format("`{}` belongs inside `{}`; move it there", entry.key, target.key);
    }
    return fmt::format("`{}` belongs inside `{}`; indent it {}", entry.key, target.key,
                       spaces(inner.entries.front().key_mark.column - entry.key_mark.column));
}

// The section beside the key in which the key would be legal.
std::optional<std::string> sibling_hint(const YamlEntry& entry, const KeyFrame& frame) {
    for (const YamlEntry& sibling : frame.node->entries | std::views::take(kSiblingsMax)) {
        const auto key = std::ranges::find(*frame.keys, sibling.key, &LegalKey::key);
        const bool section = key != frame.keys->end() && !key->field->is_repeated() &&
                             key->field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
                             sibling.value.kind == YamlNode::Kind::kMapping;
        if (section &&
            is_legal(keys_inside(sibling.value, *key->field->message_type(), Naming::kByKey),
                     entry.key)) {
            return move_inside(entry, sibling);
        }
    }
    return std::nullopt;
}

// The section around in which the key would be legal.
std::optional<std::string> parent_hint(const YamlEntry& entry, std::span<const KeyFrame> frames) {
    for (std::size_t i = frames.size() - 1; i-- > 0;) {
        if (is_legal(*frames[i].keys, entry.key)) {
            const std::string where = frames[i].path.empty() ? "the top of the file"
                                                             : fmt::format("`{}`", frames[i].path);
            return fmt::format("`{}` belongs to {}; {}", entry.key, where,
                               is_flow(*frames.back().node) ? "move it there" : "indent it less");
        }
    }
    return std::nullopt;
}

bool has_legal_key(const YamlNode& node, const Descriptor& section) {
    const std::vector<LegalKey> keys = keys_inside(node, section, Naming::kByMapping);
    return std::ranges::any_of(node.entries,
                               [&](const YamlEntry& entry) { return is_legal(keys, entry.key); });
}

// Whether the value can be an entry of that message at all.
bool fits(const YamlNode& node, const Descriptor& section) {
    const proto::SectionOptions& options = section_of(section);
    switch (node.kind) {
        case YamlNode::Kind::kScalar:
            return !options.shorthand().empty();
        case YamlNode::Kind::kSequence:
            return !options.list().empty();
        case YamlNode::Kind::kMapping:
            return options.flat_type() ? node.find("type") != nullptr
                                       : !options.entries().empty() || has_legal_key(node, section);
    }
    return false;
}

}  // namespace

UnknownKey explain_unknown_key(const YamlEntry& entry, std::span<const KeyFrame> frames) {
    const KeyFrame& frame = frames.back();
    const std::string where = frame.path.empty() ? "the job" : frame.path;
    UnknownKey result{fmt::format("unknown key \"{}\" in {}", entry.key, where), "", ""};
    std::vector<std::string_view> legal;
    for (const LegalKey& key : *frame.keys) {
        if (!spec_of(*key.field).reserved()) {
            legal.push_back(key.key);
        }
    }
    if (const auto hint = sibling_hint(entry, frame)) {
        result.fix = *hint;
    } else if (const auto meant = nearest_word(entry.key, legal)) {
        result.guess = *meant;
        result.fix = fmt::format("did you mean \"{}\"?", *meant);
    } else if (const auto ours = our_key(entry.key, legal)) {
        result.guess = *ours;
        result.fix = fmt::format("did you mean \"{}\"?", *ours);
    } else if (const auto outer = parent_hint(entry, frames)) {
        result.fix = *outer;
    } else {
        if (frame.typed) {
            legal.insert(legal.begin(), "type");
        }
        result.fix = config::choice(legal);
    }
    return result;
}

UnknownWord explain_unknown_type(std::string_view written, const Descriptor& section) {
    const std::vector<std::string_view> types = types_of(section);
    if (const auto meant = nearest_word(written, types)) {
        return {fmt::format("did you mean \"{}\"?", *meant), *meant};
    }
    if (const auto ours = our_value(written, types)) {
        return {fmt::format("did you mean \"{}\"?", *ours), *ours};
    }
    return {config::choice(types), ""};
}

bool is_foreign_type_key(std::string_view key) {
    constexpr std::array<std::string_view, 1> kType{"type"};
    return our_key(key, kType).has_value();
}

std::optional<std::string> explain_misplaced_entry(const YamlEntry& entry,
                                                   const YamlEntry* previous,
                                                   const Descriptor& section) {
    if (previous == nullptr || fits(entry.value, section)) {
        return std::nullopt;
    }
    if (!is_legal(keys_inside(previous->value, section, Naming::kByMapping), entry.key)) {
        return std::nullopt;
    }
    return move_inside(entry, *previous);
}

}  // namespace millrace::jobfile
