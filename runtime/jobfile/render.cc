#include "runtime/jobfile/render.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "proto/job.pb.h"
#include "runtime/base/check.h"
#include "runtime/config/units.h"
#include "runtime/config/yaml_tree.h"
#include "runtime/jobfile/key_table.h"

namespace millrace::jobfile {
namespace {

using config::path_of;

// Keys of properties whose values are secrets.
bool is_secret_key(std::string_view key) {
    constexpr std::array<std::string_view, 6> kParts{"password", "secret",  "token",
                                                     "jaas",     "key.pem", "credential"};
    return std::ranges::any_of(
        kParts, [&](std::string_view part) { return key.find(part) != std::string_view::npos; });
}

std::string whole_text(std::int64_t value, proto::Unit unit) {
    switch (unit) {
        case proto::UNIT_TIME:
            return config::print_duration(value);
        case proto::UNIT_SIZE:
            return config::print_size(value);
        case proto::UNIT_ROWS:
            return config::print_rows(value);
        case proto::UNIT_INSTANT:
            return config::print_instant(value);
        default:
            return fmt::format("{}", value);
    }
}

std::string real_text(double value, proto::Unit unit) {
    switch (unit) {
        case proto::UNIT_SHARE:
            return config::print_share(value);
        case proto::UNIT_RATE:
            return config::print_rate(value);
        default:
            return config::print_number(value);
    }
}

// Text as it stands in a file whose variables are yet to be filled: a dollar that would begin
// something is doubled.
std::string text_text(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        out += text[i];
        if (text[i] == '$' && i + 1 < text.size() && (text[i + 1] == '$' || text[i + 1] == '{')) {
            out += '$';
        }
    }
    return config::yaml_scalar(out);
}

// The scalar in a field, as a user would write it; `index` is -1 for a single field.
std::string scalar_text(const Message& section, const FieldDescriptor& field, int index) {
    const Reflection& from = *section.GetReflection();
    const bool many = index >= 0;
    const proto::Unit unit = spec_of(field).unit();
    switch (field.cpp_type()) {
        case FieldDescriptor::CPPTYPE_INT32:
            return whole_text(from.GetInt32(section, &field), unit);
        case FieldDescriptor::CPPTYPE_INT64:
            return whole_text(from.GetInt64(section, &field), unit);
        case FieldDescriptor::CPPTYPE_UINT64:
            return fmt::format("{}", from.GetUInt64(section, &field));
        case FieldDescriptor::CPPTYPE_BOOL:
            return from.GetBool(section, &field) ? "true" : "false";
        case FieldDescriptor::CPPTYPE_DOUBLE:
            return real_text(many ? from.GetRepeatedDouble(section, &field, index)
                                  : from.GetDouble(section, &field),
                             unit);
        case FieldDescriptor::CPPTYPE_ENUM:
            return word_of(many ? *from.GetRepeatedEnum(section, &field, index)
                                : *from.GetEnum(section, &field));
        default:
            return text_text(many ? from.GetRepeatedString(section, &field, index)
                                  : from.GetString(section, &field));
    }
}

std::string written_as_text(const Message& message) {
    if (const auto* range = dynamic_cast<const proto::TimeRange*>(&message)) {
        return config::print_duration_range({range->min_ms(), range->max_ms()});
    }
    const auto* type = dynamic_cast<const proto::FieldType*>(&message);
    MILLRACE_CHECK(type != nullptr);
    const auto& element = *proto::ScalarType_descriptor()->FindValueByNumber(type->element());
    return type->list() ? config::yaml_scalar(fmt::format("list<{}>", word_of(element)))
                        : word_of(element);
}

class Renderer {
  public:
    explicit Renderer(const Places& places) : places_(places) {}

    std::string print(const proto::Job& job) {
        print_keys(job, "", 0, Naming::kByKey);
        return std::move(out_);
    }

  private:
    void print_keys(const Message& section, const std::string& path, std::size_t indent,
                    Naming naming) {
        const Descriptor& descriptor = *section.GetDescriptor();
        const FieldDescriptor* arm = nullptr;
        if (section_of(descriptor).flat_type()) {
            arm = arm_of(section);
            line(indent, "type", arm->name(), path_of(path, "type"));
        }
        for (const LegalKey& key : legal_keys(descriptor, arm, naming)) {
            const Message& holder =
                key.in_arm ? section.GetReflection()->GetMessage(section, arm) : section;
            print_field(holder, *key.field, path_of(path, key.key), indent);
        }
    }

    void print_field(const Message& section, const FieldDescriptor& field, const std::string& path,
                     std::size_t indent) {
        const Reflection& reflection = *section.GetReflection();
        const bool message = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
        if (field.is_repeated()) {
            if (reflection.FieldSize(section, &field) == 0) {
                return;
            }
            if (spec_of(field).named()) {
                header(indent, key_of(field));
                print_named(section, field, path, indent + 2);
            } else {
                line(indent, key_of(field),
                     message ? nested_list(section, field) : flow_list(section, field), path);
            }
        } else if (!reflection.HasField(section, &field)) {
            return;
        } else if (!message) {
            line(indent, key_of(field), value_text(section, field), path);
        } else {
            print_section(reflection.GetMessage(section, &field), key_of(field), path, indent);
        }
    }

    void print_section(const Message& section, std::string_view key, const std::string& path,
                       std::size_t indent) {
        if (section_of(*section.GetDescriptor()).written_as() != proto::WRITTEN_AS_MAPPING) {
            line(indent, key, written_as_text(section), path);
            return;
        }
        header(indent, key);
        print_keys(section, path, indent + 2, Naming::kByKey);
    }

    // Entries of a mapping of names.
    void print_named(const Message& section, const FieldDescriptor& field, const std::string& path,
                     std::size_t indent) {
        const Reflection& reflection = *section.GetReflection();
        for (int i = 0; i < reflection.FieldSize(section, &field); ++i) {
            const Message& entry = reflection.GetRepeatedMessage(section, &field, i);
            const FieldDescriptor& name = *entry.GetDescriptor()->FindFieldByName("name");
            const std::string text = entry.GetReflection()->GetString(entry, &name);
            header(indent, config::yaml_scalar(text));
            const std::string& entries = section_of(*entry.GetDescriptor()).entries();
            if (entries.empty()) {
                print_keys(entry, path_of(path, text), indent + 2, Naming::kByMapping);
            } else {
                print_named(entry, *entry.GetDescriptor()->FindFieldByName(entries),
                            path_of(path, text), indent + 2);
            }
        }
    }

    static std::string value_text(const Message& section, const FieldDescriptor& field) {
        if (const auto* property = dynamic_cast<const proto::Property*>(&section)) {
            if (is_secret_key(property->name()) && !property->value().starts_with("secret:")) {
                return "\"<hidden>\"";
            }
        }
        return spec_of(field).secret() ? "\"<hidden>\"" : scalar_text(section, field, -1);
    }

    static std::string flow_list(const Message& section, const FieldDescriptor& field) {
        std::string out = "[";
        const int count = section.GetReflection()->FieldSize(section, &field);
        for (int i = 0; i < count; ++i) {
            out += (i == 0 ? "" : ", ") + scalar_text(section, field, i);
        }
        return out + "]";
    }

    // A list of messages that are written as lists.
    static std::string nested_list(const Message& section, const FieldDescriptor& field) {
        std::string out = "[";
        const Reflection& reflection = *section.GetReflection();
        for (int i = 0; i < reflection.FieldSize(section, &field); ++i) {
            const Message& inner = reflection.GetRepeatedMessage(section, &field, i);
            const FieldDescriptor& list =
                *inner.GetDescriptor()->FindFieldByName(section_of(*inner.GetDescriptor()).list());
            out += (i == 0 ? "" : ", ") + flow_list(inner, list);
        }
        return out + "]";
    }

    void header(std::size_t indent, std::string_view key) {
        out_ += fmt::format("{}{}:\n", std::string(indent, ' '), key);
    }

    void line(std::size_t indent, std::string_view key, std::string_view value,
              const std::string& path) {
        out_ += fmt::format("{}{}: {}{}\n", std::string(indent, ' '), key, value,
                            places_.is_written(path) ? "" : "  # default");
    }

    const Places& places_;
    std::string out_;
};

}  // namespace

std::string render(const proto::Job& job, const Places& places) {
    return Renderer(places).print(job);
}

}  // namespace millrace::jobfile
