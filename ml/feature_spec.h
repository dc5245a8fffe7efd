// What a job declares under `features`: how columns become hashed, numeric and crossed features.
//
// Reading the job file is not done here; validate() says everything about a spec that can be said
// without the schema, and FeatureCompiler::create() the rest.
//
// Threads:    values.
// Limits:     the constants below.
// Failure:    kInvalidOption with the column's name; `Hint:` where one helps.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace millrace::ml {

constexpr std::uint32_t kColumnsMax = 512;        // columns and crosses together
constexpr std::uint32_t kEdgesMax = 1024;         // edges of one column's buckets
constexpr std::uint32_t kCrossPartsMax = 8;       // columns in one cross
constexpr std::uint32_t kListItemsMax = 1 << 16;  // the most that `list_items` may be

enum class FeatureKind : std::uint8_t {
    kHashed,      // One feature per value; null gives none.
    kHashedList,  // One feature per item of a list; null and empty give none, as do null items.
    kNumber,      // One feature whose value is the number; null gives none.
    kBuckets,     // One feature per interval; null (and NaN) is an interval of its own.
};

// A number of a timestamp, in UTC.
enum class Take : std::uint8_t { kValue, kHourOfDay, kDayOfWeek };  // 0..23; Monday = 0 .. 6

enum class Transform : std::uint8_t {
    kNone,
    kLog1p,       // kNumber: ln(1 + x). x <= -1 is not a number; the row is then skipped.
    kLogSquared,  // kBuckets without edges: x <= 2 as it is, above floor(ln(x)^2) (Criteo
                  // practice).
};

enum class Scale : std::uint8_t { kNone, kStandardize };  // kNumber only

struct FeatureColumn {
    std::string name;  // Names the feature: part of every hash.
    std::string from;  // The field it reads; empty: the one of its own name.
    FeatureKind kind = FeatureKind::kHashed;
    Take take = Take::kValue;
    Transform transform = Transform::kNone;
    Scale scale = Scale::kNone;
    std::vector<double> edges{};  // kBuckets: rising. Interval i is [edges[i - 1], edges[i]).

    [[nodiscard]] const std::string& field() const { return from.empty() ? name : from; }
};

struct FeatureSpec {
    unsigned bits = 22;  // 2^bits cells
    std::uint64_t seed = 1;
    // Items of one list that become features; the rest of a longer list is dropped and counted.
    std::uint32_t list_items = 64;
    std::vector<FeatureColumn> columns;
    // Names of columns that are crossed; a row where one part is null gets no such feature.
    std::vector<std::vector<std::string>> crosses{};

    [[nodiscard]] Status validate() const;
    // Equal for specs that give every row the same features, in whatever order they are declared.
    [[nodiscard]] std::uint64_t hash() const;
};

}  // namespace millrace::ml
