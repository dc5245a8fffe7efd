#include "ml/feature_spec.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include "ml/hash.h"
#include "ml/standard_scaler.h"
#include "ml/table.h"

namespace millrace::ml {
namespace {

Status check_edges(const FeatureColumn& column) {
    const bool wants_edges =
        column.kind == FeatureKind::kBuckets && column.transform != Transform::kLogSquared;
    if (!wants_edges) {
        if (column.edges.empty()) return {};
        return fail(Code::kInvalidOption, "edges belong to buckets without a transform: {}",
                    column.name);
    }
    if (column.edges.empty() || column.edges.size() > kEdgesMax) {
        return fail(Code::kInvalidOption, "buckets need 1 to {} edges: {} has {}", kEdgesMax,
                    column.name, column.edges.size());
    }
    for (std::size_t i = 0; i < column.edges.size(); ++i) {
        const bool rises = i == 0 || column.edges[i - 1] < column.edges[i];
        if (!std::isfinite(column.edges[i]) || !rises) {
            return fail(Code::kInvalidOption, "edges must be finite and rising: {}, edge {} is {}",
                        column.name, i + 1, column.edges[i]);
        }
    }
    return {};
}

Status check_column(const FeatureColumn& column) {
    if (column.name.empty()) return fail(Code::kInvalidOption, "a feature column has no name");
    if (column.transform == Transform::kLog1p && column.kind != FeatureKind::kNumber) {
        return fail(Code::kInvalidOption, "log1p transforms a number, not {}", column.name);
    }
    if (column.transform == Transform::kLogSquared && column.kind != FeatureKind::kBuckets) {
        return fail(Code::kInvalidOption, "log_squared transforms buckets, not {}", column.name);
    }
    if (column.scale != Scale::kNone && column.kind != FeatureKind::kNumber) {
        return fail(Code::kInvalidOption, "standardize scales a number, not {}", column.name);
    }
    if (column.take != Take::kValue && column.kind == FeatureKind::kHashedList) {
        return fail(Code::kInvalidOption, "take reads a timestamp, not a list: {}", column.name);
    }
    return check_edges(column);
}

const FeatureColumn* find(const std::vector<FeatureColumn>& columns, const std::string& name) {
    const auto at = std::ranges::find(columns, name, &FeatureColumn::name);
    return at == columns.end() ? nullptr : &*at;
}

Status check_cross(const FeatureSpec& spec, const std::vector<std::string>& cross) {
    if (cross.size() < 2 || cross.size() > kCrossPartsMax) {
        return fail(Code::kInvalidOption, "a cross has 2 to {} columns, one has {}", kCrossPartsMax,
                    cross.size());
    }
    std::size_t lists = 0;
    for (const std::string& part : cross) {
        const FeatureColumn* column = find(spec.columns, part);
        if (column == nullptr) {
            return fail(Code::kInvalidOption, "a cross names a column that is not there: {}", part);
        }
        if (column->kind == FeatureKind::kNumber) {
            return fail(Code::kInvalidOption,
                        "a cross cannot have the number {}. Hint: cross its buckets", part);
        }
        if (column->kind == FeatureKind::kHashedList) ++lists;
    }
    if (lists > 1) {
        return fail(Code::kInvalidOption, "a cross has more than one list: {}", lists);
    }
    return {};
}

Status check_all_crosses(const FeatureSpec& spec) {
    std::set<std::vector<std::string>> seen;
    for (std::vector<std::string> cross : spec.crosses) {
        MILLRACE_TRY(check_cross(spec, cross));
        std::ranges::sort(cross);
        if (std::ranges::adjacent_find(cross) != cross.end()) {
            return fail(Code::kInvalidOption, "a cross names a column twice: {}", cross.front());
        }
        if (!seen.insert(cross).second) {
            return fail(Code::kInvalidOption, "a cross is declared twice: {} x {}", cross[0],
                        cross[1]);
        }
    }
    return {};
}

// A running hash over the parts of a spec.
class Digest {
  public:
    void add(std::string_view text) {
        add(text.size());
        state_ = hash_bytes(text, state_);
    }
    void add(std::uint64_t number) {
        state_ = IntegerHash(state_)(static_cast<std::int64_t>(number));
    }
    [[nodiscard]] std::uint64_t value() const { return state_; }

  private:
    std::uint64_t state_ = 0;
};

std::uint64_t digest_of(const FeatureColumn& column) {
    Digest digest;
    digest.add(column.name);
    digest.add(column.field());
    digest.add(static_cast<std::uint64_t>(column.kind));
    digest.add(static_cast<std::uint64_t>(column.take));
    digest.add(static_cast<std::uint64_t>(column.transform));
    digest.add(static_cast<std::uint64_t>(column.scale));
    for (const double edge : column.edges) digest.add(std::bit_cast<std::uint64_t>(edge));
    return digest.value();
}

}  // namespace

Status FeatureSpec::validate() const {
    if (bits < kMinBits || bits > kMaxBits) {
        return fail(Code::kInvalidOption, "bits must be {} to {}, is {}", kMinBits, kMaxBits, bits);
    }
    if (list_items < 1 || list_items > kListItemsMax) {
        return fail(Code::kInvalidOption, "list_items must be 1 to {}, is {}", kListItemsMax,
                    list_items);
    }
    if (columns.empty()) return fail(Code::kInvalidOption, "features need at least one column");
    if (columns.size() + crosses.size() > kColumnsMax) {
        return fail(Code::kInvalidOption, "features have at most {} columns and crosses, not {}",
                    kColumnsMax, columns.size() + crosses.size());
    }
    std::set<std::string_view> names;
    for (const FeatureColumn& column : columns) {
        MILLRACE_TRY(check_column(column));
        if (!names.insert(column.name).second) {
            return fail(Code::kInvalidOption, "a feature column is declared twice: {}",
                        column.name);
        }
    }
    const auto scaled = std::ranges::count(columns, Scale::kStandardize, &FeatureColumn::scale);
    if (static_cast<std::uint64_t>(scaled) > kScaledColumnsMax) {
        return fail(Code::kInvalidOption, "at most {} columns can be standardized, not {}",
                    kScaledColumnsMax, scaled);
    }
    return check_all_crosses(*this);
}

std::uint64_t FeatureSpec::hash() const {
    std::vector<std::uint64_t> parts;
    parts.reserve(columns.size() + crosses.size());
    for (const FeatureColumn& column : columns) parts.push_back(digest_of(column));
    for (std::vector<std::string> cross : crosses) {
        std::ranges::sort(cross);
        Digest digest;
        for (const std::string& part : cross) digest.add(part);
        parts.push_back(digest.value());
    }
    std::ranges::sort(parts);
    Digest digest;
    digest.add(bits);
    digest.add(seed);
    digest.add(list_items);
    for (const std::uint64_t part : parts) digest.add(part);
    return digest.value();
}

}  // namespace millrace::ml
