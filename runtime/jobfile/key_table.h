// Answers questions about the keys of a section from its descriptor and the options of job.proto.
// Private to this folder: the reader, the defaults and the printer are walks over it.
//
// Threads:    any; descriptors are constant.
// Failure:    none.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "proto/options.pb.h"

namespace millrace::jobfile {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;
using google::protobuf::Reflection;

[[nodiscard]] const proto::KeyOptions& spec_of(const FieldDescriptor& field);
[[nodiscard]] const proto::SectionOptions& section_of(const Descriptor& section);
[[nodiscard]] const proto::WordOptions& word_options_of(const EnumValueDescriptor& value);

// The key under which a user writes the field.
[[nodiscard]] std::string_view key_of(const FieldDescriptor& field);
// The word that a user writes for an enum value: at_least_once.
[[nodiscard]] std::string word_of(const EnumValueDescriptor& value);
// The value for a word; nullptr when there is none.
[[nodiscard]] const EnumValueDescriptor* find_word(const EnumDescriptor& words,
                                                   std::string_view word);
// All words that this version knows, reserved ones left out.
[[nodiscard]] std::vector<std::string> words_of(const EnumDescriptor& words);

// The oneof whose arm the key `type` selects.
[[nodiscard]] const OneofDescriptor& kind_of(const Descriptor& section);
// The arm that is set; nullptr when none is.
[[nodiscard]] const FieldDescriptor* arm_of(const Message& section);
[[nodiscard]] const FieldDescriptor* find_arm(const Descriptor& section, std::string_view type);
// All types that this version knows, reserved ones left out.
[[nodiscard]] std::vector<std::string_view> types_of(const Descriptor& section);

// A message that is written as entries of a mapping gets its name from the mapping's key.
enum class Naming : unsigned char { kByKey, kByMapping };

struct LegalKey {
    std::string_view key;
    const FieldDescriptor* field;
    bool in_arm;  // The field is one of the selected type's message.
};

// The keys that are legal in a section with that arm (nullptr: only those common to all types).
// The key `type` of sections with types is not among them.
[[nodiscard]] std::vector<LegalKey> legal_keys(const Descriptor& section,
                                               const FieldDescriptor* arm, Naming naming);

}  // namespace millrace::jobfile
