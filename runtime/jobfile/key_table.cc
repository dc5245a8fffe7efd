#include "runtime/jobfile/key_table.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace millrace::jobfile {
namespace {

// SCALAR_TYPE_ for ScalarType.
std::string prefix_of(std::string_view enum_name) {
    std::string out;
    for (const char letter : enum_name) {
        if (letter >= 'A' && letter <= 'Z') {
            out += out.empty() ? "" : "_";
            out += letter;
        } else {
            out += static_cast<char>(letter - 'a' + 'A');
        }
    }
    return out + "_";
}

bool is_for(const FieldDescriptor& field, const FieldDescriptor* arm) {
    const auto& excluded = spec_of(field).not_for();
    return arm == nullptr || std::ranges::find(excluded, arm->name()) == excluded.end();
}

void append_keys(std::vector<LegalKey>& keys, const Descriptor& section, const FieldDescriptor* arm,
                 Naming naming) {
    for (int i = 0; i < section.field_count(); ++i) {
        const FieldDescriptor& field = *section.field(i);
        const bool is_name = naming == Naming::kByMapping && field.name() == "name";
        if (field.real_containing_oneof() == nullptr && !is_name && is_for(field, arm)) {
            keys.push_back({key_of(field), &field, false});
        }
    }
}

}  // namespace

const proto::KeyOptions& spec_of(const FieldDescriptor& field) {
    return field.options().GetExtension(proto::spec);
}

const proto::SectionOptions& section_of(const Descriptor& section) {
    return section.options().GetExtension(proto::section);
}

const proto::WordOptions& word_options_of(const EnumValueDescriptor& value) {
    return value.options().GetExtension(proto::word);
}

std::string_view key_of(const FieldDescriptor& field) {
    return field.has_json_name() ? field.json_name() : field.name();
}

std::string word_of(const EnumValueDescriptor& value) {
    std::string_view name = value.name();
    name.remove_prefix(prefix_of(value.type()->name()).size());
    std::string out;
    for (const char letter : name) {
        const bool upper = letter >= 'A' && letter <= 'Z';
        out += upper ? static_cast<char>(letter - 'A' + 'a') : letter;
    }
    return out;
}

const EnumValueDescriptor* find_word(const EnumDescriptor& words, std::string_view word) {
    for (int i = 1; i < words.value_count(); ++i) {  // Value 0 is "unspecified".
        if (word_of(*words.value(i)) == word) {
            return words.value(i);
        }
    }
    return nullptr;
}

std::vector<std::string> words_of(const EnumDescriptor& words) {
    std::vector<std::string> out;
    for (int i = 1; i < words.value_count(); ++i) {
        if (!word_options_of(*words.value(i)).reserved()) {
            out.push_back(word_of(*words.value(i)));
        }
    }
    return out;
}

const OneofDescriptor& kind_of(const Descriptor& section) {
    const OneofDescriptor* kind = section.FindOneofByName("kind");
    MILLRACE_CHECK(kind != nullptr);
    return *kind;
}

const FieldDescriptor* arm_of(const Message& section) {
    return section.GetReflection()->GetOneofFieldDescriptor(section,
                                                            &kind_of(*section.GetDescriptor()));
}

const FieldDescriptor* find_arm(const Descriptor& section, std::string_view type) {
    const OneofDescriptor& kind = kind_of(section);
    for (int i = 0; i < kind.field_count(); ++i) {
        if (kind.field(i)->name() == type) {
            return kind.field(i);
        }
    }
    return nullptr;
}

std::vector<std::string_view> types_of(const Descriptor& section) {
    std::vector<std::string_view> out;
    const OneofDescriptor& kind = kind_of(section);
    for (int i = 0; i < kind.field_count(); ++i) {
        if (!spec_of(*kind.field(i)).reserved()) {
            out.push_back(kind.field(i)->name());
        }
    }
    return out;
}

std::vector<LegalKey> legal_keys(const Descriptor& section, const FieldDescriptor* arm,
                                 Naming naming) {
    std::vector<LegalKey> keys;
    append_keys(keys, section, arm, naming);
    if (arm != nullptr) {
        const Descriptor& inner = *arm->message_type();
        for (int i = 0; i < inner.field_count(); ++i) {
            keys.push_back({key_of(*inner.field(i)), inner.field(i), true});
        }
    }
    return keys;
}

}  // namespace millrace::jobfile
