#include "runtime/jobfile/section_reader.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "runtime/base/nearest_word.h"
#include "runtime/config/suggestion.h"
#include "runtime/jobfile/key_table.h"
#include "runtime/jobfile/unknown_key.h"
#include "runtime/jobfile/value_reader.h"

namespace millrace::jobfile {
namespace {

using config::Mark;
using config::path_of;
using config::YamlEntry;
using config::YamlNode;
using Kind = YamlNode::Kind;

std::string_view kind_word(const YamlNode& node) {
    switch (node.kind) {
        case Kind::kMapping:
            return "a mapping";
        case Kind::kSequence:
            return "a list";
        case Kind::kScalar:
            return node.is_null() ? "nothing" : "one value";
    }
    return "";
}

std::string_view example_of(std::string_view wanted) {
    if (wanted == "a list") return "[a, b]";
    return wanted == "one value" ? "one word or number" : "{ key: value }, or its keys below it";
}

class SectionReader {
  public:
    SectionReader(Places& places, std::vector<config::Diagnostic>& diagnostics)
        : places_(places), diagnostics_(diagnostics) {}

    void read_root(const YamlNode& node, Message& message) {
        const Mark mark{node.mark.file, node.mark.line, node.mark.column, 0, 0};
        places_.add("", mark, node.mark);
        if (node.kind != Kind::kMapping) {
            report("E013", node.mark, "",
                   fmt::format("the file holds {}, not sections", kind_word(node)),
                   "begin with `version: 1`");
            return;
        }
        read_mapping(node, message, {.path = "", .key = mark, .naming = Naming::kByKey});
    }

  private:
    // Where a message stands.
    struct Site {
        std::string path;
        Mark key;       // Where errors about what is missing point to.
        Naming naming;  // Whether the message's name came from the mapping around it.
    };

    // A section that is written as a mapping, as a scalar, or as a list.
    void read_message(const YamlNode& node, Message& message, const Site& site) {
        const proto::SectionOptions& options = section_of(*message.GetDescriptor());
        if (options.written_as() != proto::WRITTEN_AS_MAPPING) {
            if (expect_value(node, site.path)) {
                check(read_written_as(node.text, message, site.path), node.mark, site.path);
            }
        } else if (node.kind == Kind::kMapping && options.entries().empty()) {
            read_mapping(node, message, site);
        } else if (!options.entries().empty()) {
            const auto* entries = message.GetDescriptor()->FindFieldByName(options.entries());
            read_named(node, message, *entries, site);
        } else if (node.kind == Kind::kScalar && !node.is_null() && !options.shorthand().empty()) {
            read_shorthand(node, message, options.shorthand(), site);
        } else if (node.kind == Kind::kSequence && !options.list().empty()) {
            const auto* list = message.GetDescriptor()->FindFieldByName(options.list());
            read_values(node, message, *list, site.path);
        } else if (node.kind == Kind::kScalar && !node.is_null() && !options.list().empty()) {
            report("E013", node.mark, site.path,
                   fmt::format("`{}` takes a list, not one value", site.path),
                   fmt::format("write a list in the list: [[{}, ...]]", node.text));
        } else {
            refuse_kind(node, "a mapping of keys", site.path);
        }
    }

    void read_shorthand(const YamlNode& node, Message& message, const std::string& shorthand,
                        const Site& site) {
        if (section_of(*message.GetDescriptor()).flat_type()) {
            const FieldDescriptor* arm = select_arm(node, message, site.path);
            if (arm != nullptr) {
                check_required(message, arm, site, {});
            }
            return;
        }
        // Messages name the section, since that is what was written.
        const FieldDescriptor& field = *message.GetDescriptor()->FindFieldByName(shorthand);
        places_.add(path_of(site.path, key_of(field)), site.key, node.mark);
        if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
            Message* inner = message.GetReflection()->MutableMessage(&message, &field);
            read_message(node, *inner, site);
        } else {
            check(read_value(node.text, message, field, site.path), node.mark, site.path);
        }
    }

    // ---------------------------------------------------------------- mappings of keys

    // What is known about a mapping while its entries are read.
    struct Section {
        const Site& site;
        std::vector<LegalKey> keys = {};
        const YamlNode* type = nullptr;        // The value that selected the arm, if any.
        bool keys_known = true;                // False when the type is not known.
        std::set<std::string_view> seen = {};  // Keys that were given, or probably meant.
    };

    void read_mapping(const YamlNode& node, Message& message, const Site& site) {
        const Descriptor& descriptor = *message.GetDescriptor();
        Section section{.site = site};
        const FieldDescriptor* arm = nullptr;
        const bool typed = section_of(descriptor).flat_type();
        if (typed) {
            section.type = find_type(node, descriptor, section);
            if (section.type != nullptr) {
                arm = select_arm(*section.type, message, path_of(site.path, "type"));
            }
            if (section.type != nullptr && is_reserved_type(*section.type, descriptor)) {
                return;  // Nothing is known about its keys.
            }
        }
        section.keys_known = !typed || arm != nullptr;
        section.keys = legal_keys(descriptor, arm, site.naming);
        frames_.push_back({&node, &section.keys, site.path, typed});
        for (const YamlEntry& entry : node.entries) {
            read_entry(entry, message, section);
        }
        frames_.pop_back();
        check_required(message, arm, site, section.seen);
    }

    void read_entry(const YamlEntry& entry, Message& message, Section& section) {
        if (&entry.value == section.type) {
            return;
        }
        const auto legal = std::ranges::find(section.keys, entry.key, &LegalKey::key);
        const std::string path = path_of(section.site.path, entry.key);
        if (legal != section.keys.end()) {
            section.seen.insert(legal->key);
            Message* target = &message;
            if (legal->in_arm) {
                target = message.GetReflection()->MutableMessage(&message, arm_of(message));
            }
            read_field(entry.value, *target, *legal->field, path, entry.key_mark);
        } else if (section.keys_known) {
            const UnknownKey found = explain_unknown_key(entry, frames_);
            report("E010", entry.key_mark, path, found.message, found.fix);
            section.seen.insert(found.guess);
        }
    }

    // The value of `type`, or of the key that was probably meant to be `type`.
    const YamlNode* find_type(const YamlNode& node, const Descriptor& descriptor,
                              const Section& section) {
        const Site& site = section.site;
        if (const YamlNode* type = node.find("type")) {
            places_.add(path_of(site.path, "type"), site.key, type->mark);
            return type;
        }
        const std::vector<LegalKey> common = legal_keys(descriptor, nullptr, site.naming);
        for (const YamlEntry& entry : node.entries) {
            constexpr std::string_view kType[] = {"type"};
            const bool known = std::ranges::find(common, entry.key, &LegalKey::key) != common.end();
            if (!known && (nearest_word(entry.key, kType) || is_foreign_type_key(entry.key))) {
                report("E010", entry.key_mark, path_of(site.path, entry.key),
                       fmt::format("unknown key \"{}\" in {}", entry.key, site.path),
                       "did you mean \"type\"?");
                return &entry.value;
            }
        }
        report("E012", site.key, site.path, fmt::format("{} needs the key \"type\"", site.path),
               fmt::format("add type: {}", config::listed(types_of(descriptor))));
        return nullptr;
    }

    // Selects the arm of `kind`; nullptr after a report. A guessed type is used to go on.
    const FieldDescriptor* select_arm(const YamlNode& node, Message& message,
                                      const std::string& path) {
        if (!expect_value(node, path)) {
            return nullptr;
        }
        const Descriptor& section = *message.GetDescriptor();
        const FieldDescriptor* arm = find_arm(section, node.text);
        if (arm != nullptr && spec_of(*arm).reserved()) {
            report("E038", node.mark, path,
                   fmt::format("`{}`: \"{}\" is not available in this version", path, node.text),
                   config::choice(types_of(section)));
            return nullptr;
        }
        if (arm == nullptr) {
            const UnknownWord found = explain_unknown_type(node.text, section);
            report("E016", node.mark, path, fmt::format("`{}` cannot be \"{}\"", path, node.text),
                   found.fix);
            arm = found.guess.empty() ? nullptr : find_arm(section, found.guess);
        }
        if (arm != nullptr) {
            message.GetReflection()->MutableMessage(&message, arm);
        }
        return arm;
    }

    static bool is_reserved_type(const YamlNode& node, const Descriptor& section) {
        const FieldDescriptor* arm = find_arm(section, node.text);
        return arm != nullptr && spec_of(*arm).reserved();
    }

    void check_required(const Message& message, const FieldDescriptor* arm, const Site& site,
                        const std::set<std::string_view>& seen) {
        for (const LegalKey& key : legal_keys(*message.GetDescriptor(), arm, site.naming)) {
            if (!spec_of(*key.field).required() || seen.contains(key.key)) {
                continue;
            }
            std::string doc = spec_of(*key.field).doc();
            const std::string where = site.path.empty() ? "the job" : site.path;
            report("E012", site.key, site.path,
                   fmt::format("{} needs the key \"{}\"", where, key.key),
                   fmt::format("add {}: {}", key.key, doc));
        }
    }

    // ---------------------------------------------------------------- values of keys

    void read_field(const YamlNode& node, Message& message, const FieldDescriptor& field,
                    const std::string& path, Mark key) {
        places_.add(path, key, node.mark);
        const proto::KeyOptions& spec = spec_of(field);
        if (spec.reserved()) {
            report("E038", key, path, fmt::format("`{}` is not available in this version", path),
                   "remove it");
        } else if (spec.named()) {
            read_named(node, message, field, {path, key, Naming::kByKey});
        } else if (field.is_repeated()) {
            read_list(node, message, field, path);
        } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
            Message* inner = message.GetReflection()->MutableMessage(&message, &field);
            read_message(node, *inner, {path, key, Naming::kByKey});
        } else if (expect_value(node, path)) {
            check(read_value(node.text, message, field, path), node.mark, path);
        }
    }

    void read_list(const YamlNode& node, Message& message, const FieldDescriptor& field,
                   const std::string& path) {
        if (node.kind == Kind::kScalar && !node.is_null() && spec_of(field).one_or_list()) {
            check(read_value(node.text, message, field, path), node.mark, path);
        } else if (node.kind == Kind::kSequence) {
            read_values(node, message, field, path);
        } else if (node.kind == Kind::kScalar && !node.is_null()) {
            report("E013", node.mark, path, fmt::format("`{}` takes a list, not one value", path),
                   fmt::format("write [{}]", node.text));
        } else {
            refuse_kind(node, "a list", path);
        }
    }

    void read_values(const YamlNode& node, Message& message, const FieldDescriptor& field,
                     const std::string& path) {
        check_count(node.items.size(), node, field, path);
        for (std::size_t i = 0; i < node.items.size(); ++i) {
            const YamlNode& item = node.items[i];
            const std::string item_path = path_of(path, i);
            places_.add(item_path, item.mark, item.mark);
            if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
                Message* inner = message.GetReflection()->AddMessage(&message, &field);
                read_message(item, *inner, {item_path, item.mark, Naming::kByKey});
            } else if (expect_value(item, item_path)) {
                check(read_value(item.text, message, field, item_path), item.mark, item_path);
            }
        }
    }

    // ---------------------------------------------------------------- mappings of names

    void read_named(const YamlNode& node, Message& message, const FieldDescriptor& field,
                    const Site& site) {
        if (node.kind != Kind::kMapping) {
            refuse_kind(node, "a mapping from names to entries", site.path);
            return;
        }
        check_count(node.entries.size(), node, field, site.path);
        const YamlEntry* previous = nullptr;
        for (const YamlEntry& entry : node.entries) {
            const std::string path = path_of(site.path, entry.key);
            const auto hint = explain_misplaced_entry(entry, previous, *field.message_type());
            if (hint) {
                report("E010", entry.key_mark, path,
                       fmt::format("\"{}\" is no entry of {}", entry.key, site.path), *hint);
                continue;
            }
            previous = &entry;
            read_named_entry(entry, message, field, path);
        }
    }

    void read_named_entry(const YamlEntry& entry, Message& message, const FieldDescriptor& field,
                          const std::string& path) {
        places_.add(path, entry.key_mark, entry.value.mark);
        const FieldDescriptor& name = *field.message_type()->FindFieldByName("name");
        check(check_form(entry.key, spec_of(name).form(), path), entry.key_mark, path);
        Message* inner = message.GetReflection()->AddMessage(&message, &field);
        inner->GetReflection()->SetString(inner, &name, entry.key);
        read_message(entry.value, *inner, {path, entry.key_mark, Naming::kByMapping});
    }

    // ---------------------------------------------------------------- reports

    void check_count(std::size_t count, const YamlNode& node, const FieldDescriptor& field,
                     const std::string& path) {
        constexpr std::size_t kItemsMax = 1000;
        const auto min = static_cast<std::size_t>(spec_of(field).items_min());
        const auto max = spec_of(field).items_max() == 0
                             ? kItemsMax
                             : static_cast<std::size_t>(spec_of(field).items_max());
        if (count == 0) {
            report("E019", node.mark, path, fmt::format("`{}` is empty", path),
                   "write at least one, or remove the key");
        } else if (count < min) {
            report("E024", node.mark, path,
                   fmt::format("`{}` has {}, but needs at least {}", path, count, min),
                   fmt::format("add {} more", min - count));
        } else if (count > max) {
            report("E024", node.mark, path,
                   fmt::format("`{}` has {}, but may have at most {}", path, count, max),
                   fmt::format("remove {} of them", count - max));
        }
    }

    bool expect_value(const YamlNode& node, const std::string& path) {
        if (node.kind != Kind::kScalar) {
            refuse_kind(node, "one value", path);
            return false;
        }
        if (node.text.empty() || node.is_null()) {
            report("E019", node.mark, path, fmt::format("`{}` has no value", path),
                   "write a value, or remove the key");
            return false;
        }
        return true;
    }

    void refuse_kind(const YamlNode& node, std::string_view wanted, const std::string& path) {
        if (node.is_null()) {
            report("E019", node.mark, path, fmt::format("`{}` is empty", path),
                   fmt::format("write {}, or remove the key", wanted));
        } else {
            report("E013", node.mark, path,
                   fmt::format("`{}` takes {}, not {}", path, wanted, kind_word(node)),
                   fmt::format("write {}", example_of(wanted)));
        }
    }

    void check(const ValueStatus& status, Mark mark, const std::string& path) {
        if (!status) {
            report(status.error().code, mark, path, status.error().message, status.error().fix);
        }
    }

    void report(std::string_view code, Mark mark, std::string path, std::string message,
                std::string fix) {
        diagnostics_.push_back({.code = std::string(code),
                                .mark = mark,
                                .path = std::move(path),
                                .message = std::move(message),
                                .fix = std::move(fix)});
    }

    Places& places_;
    std::vector<config::Diagnostic>& diagnostics_;
    std::vector<KeyFrame> frames_;  // The mappings around the one that is read.
};

}  // namespace

std::vector<config::Diagnostic> read_sections(const config::YamlNode& root, Message& message,
                                              Places& places) {
    std::vector<config::Diagnostic> diagnostics;
    SectionReader(places, diagnostics).read_root(root, message);
    return diagnostics;
}

}  // namespace millrace::jobfile
