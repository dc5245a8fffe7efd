#include "runtime/jobfile/value_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "proto/job.pb.h"
#include "runtime/base/check.h"
#include "runtime/base/nearest_word.h"
#include "runtime/config/suggestion.h"
#include "runtime/config/units.h"
#include "runtime/jobfile/foreign_words.h"

namespace millrace::jobfile {
namespace {

constexpr std::size_t kNameBytesMax = 64;

std::unexpected<ValueFault> fault(std::string_view code, std::string message, std::string fix) {
    return std::unexpected(ValueFault{code, std::move(message), std::move(fix)});
}

template <class T>
std::expected<T, ValueFault> with_unit(config::UnitResult<T> result, std::string_view path) {
    if (result) {
        return *result;
    }
    return fault(result.error().needs_unit ? "E021" : "E022",
                 fmt::format("`{}` {}", path, result.error().message), result.error().fix);
}

template <class T>
std::expected<T, ValueFault> plain_number(std::string_view text, std::string_view path,
                                          std::string_view kind) {
    T value{};
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    bool fine = !text.empty() && error == std::errc() && stop == end;
    if constexpr (std::is_floating_point_v<T>) {
        fine = fine && std::isfinite(value);
    }
    if (fine) {
        return value;
    }
    if (error == std::errc::result_out_of_range) {
        return fault("E023", fmt::format("`{}` is too large: {}", path, text),
                     "write a number nearer to 0");
    }
    return fault(
        "E014", fmt::format("`{}` is {}, and \"{}\" is none", path, kind, text),
        std::is_integral_v<T> ? "write digits only, for example 8" : "write it as 8, 0.05 or 1e-3");
}

std::expected<std::int64_t, ValueFault> whole_number(std::string_view text, proto::Unit unit,
                                                     std::string_view path) {
    switch (unit) {
        case proto::UNIT_TIME:
            return with_unit(config::parse_duration_ms(text), path);
        case proto::UNIT_SIZE:
            return with_unit(config::parse_size_bytes(text), path);
        case proto::UNIT_ROWS:
            return with_unit(config::parse_rows(text), path);
        case proto::UNIT_INSTANT:
            return with_unit(config::parse_instant_ms(text), path);
        default:
            return plain_number<std::int64_t>(text, path, "a whole number");
    }
}

std::expected<double, ValueFault> real_number(std::string_view text, proto::Unit unit,
                                              std::string_view path) {
    switch (unit) {
        case proto::UNIT_SHARE:
            return with_unit(config::parse_share(text), path);
        case proto::UNIT_RATE:
            return with_unit(config::parse_rate(text), path);
        default:
            return plain_number<double>(text, path, "a number");
    }
}

// Reads a bound of job.proto, which is written as users write values.
template <class T>
T bound(const std::string& text, proto::Unit unit) {
    if constexpr (std::is_same_v<T, std::int64_t>) {
        const auto value = whole_number(text, unit, "bound");
        MILLRACE_CHECK(value.has_value());
        return *value;
    } else {
        const auto value = real_number(text, unit, "bound");
        MILLRACE_CHECK(value.has_value());
        return *value;
    }
}

template <class T>
ValueStatus check_range(T value, const proto::KeyOptions& spec, std::string_view text,
                        std::string_view path) {
    const auto out_of_range = [&](std::string_view limit) {
        return fault("E023", fmt::format("`{}` is {}, but must be {}", path, text, limit),
                     fmt::format("write a value that is {}", limit));
    };
    if (!spec.min().empty()) {
        const T min = bound<T>(spec.min(), spec.unit());
        if (spec.exclusive_min() && !(value > min)) {
            return out_of_range(fmt::format("more than {}", spec.min()));
        }
        if (value < min) {
            return out_of_range(fmt::format("at least {}", spec.min()));
        }
    }
    if (!spec.max().empty()) {
        const T max = bound<T>(spec.max(), spec.unit());
        if (spec.exclusive_max() && !(value < max)) {
            return out_of_range(fmt::format("less than {}", spec.max()));
        }
        if (value > max) {
            return out_of_range(fmt::format("at most {}", spec.max()));
        }
    }
    return {};
}

// A time where a number of rows belongs: windows of time come with event time.
ValueStatus check_window(std::string_view text, proto::Unit unit, std::string_view path) {
    if (unit == proto::UNIT_ROWS && config::parse_duration_ms(text)) {
        return fault("E038",
                     fmt::format("`{}`: windows of time are not available in this version", path),
                     "write a number of rows: 10000rows");
    }
    return {};
}

template <class Set, class Add>
void store(const FieldDescriptor& field, const Set& set, const Add& add) {
    if (field.is_repeated()) {
        add();
    } else {
        set();
    }
}

ValueStatus read_whole(std::string_view text, Message& section, const FieldDescriptor& field,
                       std::string_view path) {
    const proto::KeyOptions& spec = spec_of(field);
    if (auto status = check_window(text, spec.unit(), path); !status) {
        return status;
    }
    const auto value = whole_number(text, spec.unit(), path);
    if (!value) {
        return std::unexpected(value.error());
    }
    if (auto status = check_range(*value, spec, text, path); !status) {
        return status;
    }
    const Reflection& reflection = *section.GetReflection();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_INT32) {
        // Bounds of job.proto keep it within 32 bits.
        reflection.SetInt32(&section, &field, static_cast<std::int32_t>(*value));
    } else {
        reflection.SetInt64(&section, &field, *value);
    }
    return {};
}

ValueStatus read_unsigned(std::string_view text, Message& section, const FieldDescriptor& field,
                          std::string_view path) {
    const auto value = plain_number<std::uint64_t>(text, path, "a whole number from 0 on");
    if (!value) {
        return std::unexpected(value.error());
    }
    section.GetReflection()->SetUInt64(&section, &field, *value);
    return {};
}

ValueStatus read_real(std::string_view text, Message& section, const FieldDescriptor& field,
                      std::string_view path) {
    const proto::KeyOptions& spec = spec_of(field);
    const auto value = real_number(text, spec.unit(), path);
    if (!value) {
        return std::unexpected(value.error());
    }
    if (auto status = check_range(*value, spec, text, path); !status) {
        return status;
    }
    const Reflection& reflection = *section.GetReflection();
    store(
        field, [&] { reflection.SetDouble(&section, &field, *value); },
        [&] { reflection.AddDouble(&section, &field, *value); });
    return {};
}

ValueStatus read_bool(std::string_view text, Message& section, const FieldDescriptor& field,
                      std::string_view path) {
    if (text != "true" && text != "false") {
        return fault("E014",
                     fmt::format("`{}` is true or false, and \"{}\" is neither", path, text),
                     "write true or false");
    }
    section.GetReflection()->SetBool(&section, &field, text == "true");
    return {};
}

ValueStatus read_text(std::string_view text, Message& section, const FieldDescriptor& field,
                      std::string_view path) {
    if (auto status = check_form(text, spec_of(field).form(), path); !status) {
        return status;
    }
    const Reflection& reflection = *section.GetReflection();
    store(
        field, [&] { reflection.SetString(&section, &field, std::string(text)); },
        [&] { reflection.AddString(&section, &field, std::string(text)); });
    return {};
}

ValueStatus unknown_word(std::string_view text, const EnumDescriptor& words,
                         std::string_view path) {
    const std::vector<std::string> known = words_of(words);
    const std::vector<std::string_view> views(known.begin(), known.end());
    std::string fix = config::suggestion(text, views);
    if (text == "timestamp" && &words == proto::StartPosition_descriptor()) {
        fix = "write start: { timestamp: 2026-01-02T03:04:05Z }";
    } else if (const auto ours = our_value(text, views); ours && !nearest_word(text, views)) {
        fix = fmt::format("did you mean \"{}\"?", *ours);
    }
    return fault("E015", fmt::format("`{}` cannot be \"{}\"", path, text), std::move(fix));
}

ValueStatus read_word(std::string_view text, Message& section, const FieldDescriptor& field,
                      std::string_view path) {
    const EnumValueDescriptor* value = find_word(*field.enum_type(), text);
    if (value == nullptr) {
        return unknown_word(text, *field.enum_type(), path);
    }
    if (word_options_of(*value).reserved()) {
        return fault("E038",
                     fmt::format("`{}`: \"{}\" is not available in this version", path, text), [&] {
                         const std::vector<std::string> known = words_of(*field.enum_type());
                         const std::vector<std::string_view> views(known.begin(), known.end());
                         return config::choice(views);
                     }());
    }
    const Reflection& reflection = *section.GetReflection();
    store(
        field, [&] { reflection.SetEnum(&section, &field, value); },
        [&] { reflection.AddEnum(&section, &field, value); });
    return {};
}

ValueStatus read_field_type(std::string_view text, proto::FieldType& type, std::string_view path) {
    std::string_view element = text;
    const bool list = text.starts_with("list<") && text.ends_with(">");
    if (list) {
        element = text.substr(5, text.size() - 6);
    }
    const EnumDescriptor& words = *proto::ScalarType_descriptor();
    const EnumValueDescriptor* value = find_word(words, element);
    if (value != nullptr) {
        type.set_element(static_cast<proto::ScalarType>(value->number()));
        type.set_list(list);
        return {};
    }
    if (const auto ours = our_field_type(element)) {
        return fault("E025", fmt::format("`{}`: \"{}\" is another system's type", path, element),
                     list ? fmt::format("write list<{}>", *ours) : fmt::format("write {}", *ours));
    }
    std::vector<std::string> known = words_of(words);
    known.emplace_back("list<string>");
    const std::vector<std::string_view> views(known.begin(), known.end());
    return fault("E015", fmt::format("`{}` cannot be \"{}\"", path, text),
                 config::suggestion(text, views));
}

ValueStatus read_time_range(std::string_view text, proto::TimeRange& range, std::string_view path) {
    const auto value = with_unit(config::parse_duration_range(text), path);
    if (!value) {
        return std::unexpected(value.error());
    }
    const auto check = [&](const char* field, std::int64_t ms) {
        return check_range(ms, spec_of(*range.GetDescriptor()->FindFieldByName(field)), text, path);
    };
    if (auto status = check("min_ms", value->min_ms); !status) {
        return status;
    }
    if (auto status = check("max_ms", value->max_ms); !status) {
        return status;
    }
    range.set_min_ms(value->min_ms);
    range.set_max_ms(value->max_ms);
    return {};
}

bool is_lower(char letter) { return letter >= 'a' && letter <= 'z'; }
bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

// [a-z][a-z0-9?]*, `?` being the joint.
bool is_name(std::string_view text, char joint) {
    return !text.empty() && text.size() <= kNameBytesMax && is_lower(text.front()) &&
           std::ranges::all_of(text, [joint](char letter) {
               return is_lower(letter) || is_digit(letter) || letter == joint;
           });
}

// The name that somebody meant who wrote capitals, spaces or the other joint.
std::string as_name(std::string_view text, char joint) {
    std::string out;
    for (const char letter : text.substr(0, kNameBytesMax)) {
        const bool upper = letter >= 'A' && letter <= 'Z';
        const char lower = upper ? static_cast<char>(letter - 'A' + 'a') : letter;
        out += is_lower(lower) || is_digit(lower) ? lower : joint;
    }
    return is_name(out, joint) ? out : "";
}

ValueStatus check_name(std::string_view text, char joint, std::string_view path) {
    if (is_name(text, joint)) {
        return {};
    }
    const std::string meant = as_name(text, joint);
    return fault("E018",
                 fmt::format("`{}`: \"{}\" is not a name: a letter, then letters, digits and '{}', "
                             "all in lower case, at most {}",
                             path, text, joint, kNameBytesMax),
                 meant.empty() ? "" : fmt::format("write {}", meant));
}

ValueStatus check_address(std::string_view text, std::string_view path) {
    const std::size_t colon = text.rfind(':');
    std::uint32_t port = 0;
    if (colon != std::string_view::npos && colon > 0) {
        const std::string_view digits = text.substr(colon + 1);
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), port);
        if (error == std::errc() && end == digits.data() + digits.size() && port > 0 &&
            port < 65536) {
            return {};
        }
    }
    return fault("E018", fmt::format("`{}`: \"{}\" is not an address", path, text),
                 "write host:port, for example localhost:9999");
}

}  // namespace

ValueStatus check_form(std::string_view text, proto::TextForm form, std::string_view path) {
    switch (form) {
        case proto::TEXT_FORM_JOB_NAME:
            return check_name(text, '-', path);
        case proto::TEXT_FORM_NODE_NAME:
            return check_name(text, '_', path);
        case proto::TEXT_FORM_ADDRESS:
            return check_address(text, path);
        default:
            return {};
    }
}

ValueStatus read_value(std::string_view text, Message& section, const FieldDescriptor& field,
                       std::string_view path) {
    switch (field.cpp_type()) {
        case FieldDescriptor::CPPTYPE_INT32:
        case FieldDescriptor::CPPTYPE_INT64:
            return read_whole(text, section, field, path);
        case FieldDescriptor::CPPTYPE_UINT64:
            return read_unsigned(text, section, field, path);
        case FieldDescriptor::CPPTYPE_DOUBLE:
            return read_real(text, section, field, path);
        case FieldDescriptor::CPPTYPE_BOOL:
            return read_bool(text, section, field, path);
        case FieldDescriptor::CPPTYPE_ENUM:
            return read_word(text, section, field, path);
        default:
            MILLRACE_CHECK(field.cpp_type() == FieldDescriptor::CPPTYPE_STRING);
            return read_text(text, section, field, path);
    }
}

ValueStatus read_written_as(std::string_view text, Message& section, std::string_view path) {
    if (auto* range = dynamic_cast<proto::TimeRange*>(&section)) {
        return read_time_range(text, *range, path);
    }
    auto* type = dynamic_cast<proto::FieldType*>(&section);
    MILLRACE_CHECK(type != nullptr);
    return read_field_type(text, *type, path);
}

}  // namespace millrace::jobfile
