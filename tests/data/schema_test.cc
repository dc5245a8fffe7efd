#include "runtime/data/schema.h"

#include <catch2/catch.hpp>

namespace millrace::data {
namespace {

TEST_CASE("Schema finds a field by its name", "[data][schema]") {
    const SchemaPtr schema =
        *Schema::make({{"id", {Kind::kString, {}}}, {"tags", {Kind::kList, Kind::kInt64}}});
    REQUIRE(schema->index_of("tags") == 1);
    REQUIRE_FALSE(schema->index_of("tag").has_value());
    REQUIRE(schema->to_string() == "id: string, tags: list<int64>");
}

TEST_CASE("Schema refuses fields that cannot be told apart or do not exist", "[data][schema]") {
    const auto refused = [](std::vector<Field> fields) {
        const auto schema = Schema::make(std::move(fields));
        REQUIRE_FALSE(schema.has_value());
        REQUIRE(schema.error().code == Code::kInvalidArgument);
        return schema.error().message;
    };
    REQUIRE(refused({{"", {}}}) == "a field of a schema has no name");
    REQUIRE(refused({{"a", {}}, {"b", {}}, {"a", {}}}) == "a schema names a field twice: `a`");
    REQUIRE(refused({{"a", {Kind::kList, Kind::kList}}}) ==
            "field `a` has a type that does not exist: list<list>");
}

TEST_CASE("Schema takes as many fields as its limit and not one more", "[data][schema]") {
    std::vector<Field> fields;
    for (std::size_t i = 0; i < Schema::kFieldsMax; ++i) {
        fields.push_back({"f" + std::to_string(i), {Kind::kInt32, {}}});
    }
    REQUIRE(Schema::make(fields).has_value());
    fields.push_back({"more", {}});
    REQUIRE_FALSE(Schema::make(fields).has_value());
}

TEST_CASE("Types have the names of the job file", "[data][type]") {
    REQUIRE(to_string(Type{Kind::kTimestampMs, {}}) == "timestamp_ms");
    REQUIRE(to_string(Type{Kind::kFloat32, {}}) == "float32");
    REQUIRE(to_string(Type{Kind::kList, Kind::kString}) == "list<string>");
}

}  // namespace
}  // namespace millrace::data
