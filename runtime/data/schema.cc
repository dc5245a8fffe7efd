#include "runtime/data/schema.h"

#include <algorithm>

namespace millrace::data {

Result<SchemaPtr> Schema::make(std::vector<Field> fields) {
    if (fields.size() > kFieldsMax) {
        return fail(Code::kInvalidArgument, "a schema has too many fields: {}, at most {}",
                    fields.size(), kFieldsMax);
    }
    std::vector<std::string_view> names;
    names.reserve(fields.size());
    for (const Field& field : fields) {
        if (field.name.empty()) {
            return fail(Code::kInvalidArgument, "a field of a schema has no name");
        }
        if (field.type.kind == Kind::kList &&
            (field.type.element == Kind::kList || field.type.element == Kind::kFeatures)) {
            return fail(Code::kInvalidArgument, "field `{}` has a type that does not exist: {}",
                        field.name, data::to_string(field.type));
        }
        names.push_back(field.name);
    }
    std::ranges::sort(names);
    if (const auto twice = std::ranges::adjacent_find(names); twice != names.end()) {
        return fail(Code::kInvalidArgument, "a schema names a field twice: `{}`", *twice);
    }
    return SchemaPtr(new Schema(std::move(fields)));
}

std::optional<std::size_t> Schema::index_of(std::string_view name) const {
    const auto found = std::ranges::find(fields_, name, &Field::name);
    if (found == fields_.end()) {
        return std::nullopt;
    }
    return static_cast<std::size_t>(found - fields_.begin());
}

std::string Schema::to_string() const {
    std::string text;
    for (const Field& field : fields_) {
        text += text.empty() ? "" : ", ";
        text += field.name + ": " + data::to_string(field.type);
    }
    return text;
}

}  // namespace millrace::data
