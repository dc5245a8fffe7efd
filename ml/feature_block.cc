#include "ml/feature_block.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>

#include "ml/fixed_math.h"

namespace millrace::ml {
namespace {

// What a bucket column hashes for null and NaN.
constexpr std::int64_t kMissingBucket = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kDayMs = 24 * kHourMs;

// `count` <= 64 bits of a bitmap from bit `first` on.
std::uint64_t bits_from(const std::uint8_t* bitmap, std::size_t first, std::uint32_t count) {
    const std::uint8_t* from = bitmap + first / 8;
    const std::size_t shift = first % 8;
    const std::size_t bytes = (shift + count + 7) / 8;
    std::uint64_t low = 0;
    std::memcpy(&low, from, std::min<std::size_t>(bytes, 8));
    std::uint64_t result = low >> shift;
    if (bytes > 8) result |= static_cast<std::uint64_t>(from[8]) << (64 - shift);
    return count == 64 ? result : result & ((std::uint64_t{1} << count) - 1);
}

bool bit_at(const std::uint8_t* bitmap, std::size_t at) {
    return ((bitmap[at / 8] >> (at % 8)) & 1) != 0;
}

template <class T>
const T* values_of(const ColumnView& view, std::size_t row) {
    return static_cast<const T*>(view.values) + view.first + row;
}

std::string_view text_at(const ColumnView& view, std::size_t row) {
    const std::int32_t* offsets = view.offsets + view.first + row;
    return {static_cast<const char*>(view.values) + offsets[0],
            static_cast<std::size_t>(offsets[1] - offsets[0])};
}

std::int64_t taken(Take take, std::int64_t ms) {
    const std::int64_t day = ms / kDayMs - static_cast<std::int64_t>(ms % kDayMs < 0);
    if (take == Take::kHourOfDay) return (ms - day * kDayMs) / kHourMs;
    if (take == Take::kDayOfWeek) return ((day + 3) % 7 + 7) % 7;  // Day 0 was a Thursday.
    return ms;
}

// Calls each(row of the block, number as double or std::int64_t) for every row.
template <class Each>
void for_each_number(const ColumnView& view, Take take, std::size_t first, std::uint32_t count,
                     const Each& each) {
    const auto walk = [&]<class T>(const T* values) {
        for (std::uint32_t i = 0; i < count; ++i) {
            if constexpr (std::is_floating_point_v<T>) {
                each(i, static_cast<double>(values[i]));
            } else {
                each(i, static_cast<std::int64_t>(values[i]));
            }
        }
    };
    switch (view.kind) {
        case ColumnKind::kInt32:
            return walk(values_of<std::int32_t>(view, first));
        case ColumnKind::kInt64:
            return walk(values_of<std::int64_t>(view, first));
        case ColumnKind::kFloat32:
            return walk(values_of<float>(view, first));
        case ColumnKind::kFloat64:
            return walk(values_of<double>(view, first));
        case ColumnKind::kBool: {
            const auto* bitmap = static_cast<const std::uint8_t*>(view.values);
            for (std::uint32_t i = 0; i < count; ++i) {
                each(i, static_cast<std::int64_t>(bit_at(bitmap, view.first + first + i)));
            }
            return;
        }
        case ColumnKind::kTimestamp: {
            const auto* values = values_of<std::int64_t>(view, first);
            for (std::uint32_t i = 0; i < count; ++i) each(i, taken(take, values[i]));
            return;
        }
        case ColumnKind::kString:
        case ColumnKind::kList:
            return;
    }
}

// Hashes values into `keys`; clears bits of `valid` for NaN, which is no category.
void hash_values(const ColumnView& view, Take take, std::uint64_t seed, const IntegerHash& hash,
                 std::size_t first, std::uint32_t count, std::uint64_t* keys,
                 std::uint64_t& valid) {
    if (view.kind == ColumnKind::kString) {
        for (std::uint32_t i = 0; i < count; ++i) {
            if (((valid >> i) & 1) != 0) keys[i] = hash_bytes(text_at(view, first + i), seed);
        }
        return;
    }
    if (view.kind == ColumnKind::kInt32) {
        return hash_integers(hash, {values_of<std::int32_t>(view, first), count}, keys);
    }
    if (view.kind == ColumnKind::kInt64) {
        return hash_integers(hash, {values_of<std::int64_t>(view, first), count}, keys);
    }
    for_each_number(view, take, first, count, [&]<class T>(std::uint32_t i, T number) {
        if constexpr (std::is_same_v<T, double>) {
            if (std::isnan(number)) {
                valid &= ~(std::uint64_t{1} << i);
            } else {
                keys[i] = hash_real(number, hash);
            }
        } else {
            keys[i] = hash(number);
        }
    });
}

// x <= 2 as it is, above floor(ln(x)^2); the two ranges keep their numbers apart by the lowest bit.
std::int64_t log_squared_bucket(double x) {
    const double bounded = std::clamp(x, -0x1p52, 0x1p1000);
    if (bounded <= 2) return 2 * static_cast<std::int64_t>(std::floor(bounded)) + 1;
    const double ln = fixed_log(bounded);
    return 2 * static_cast<std::int64_t>(ln * ln);
}

std::int64_t bucket_of(const FeatureColumn& column, double x) {
    if (std::isnan(x)) return kMissingBucket;
    if (column.transform == Transform::kLogSquared) return log_squared_bucket(x);
    return std::ranges::upper_bound(column.edges, x) - column.edges.begin();
}

double transformed(Transform transform, double x) {
    if (transform != Transform::kLog1p) return x;
    // Not a number for learners: the row is skipped there.
    if (!(x > -1) || !std::isfinite(x)) return std::numeric_limits<double>::quiet_NaN();
    return fixed_log1p(x);
}

std::uint64_t validity_of(const ColumnView& view, std::size_t first, std::uint32_t count,
                          std::uint64_t all) {
    return view.validity == nullptr ? all : bits_from(view.validity, view.first + first, count);
}

}  // namespace

FeatureBlock::FeatureBlock(const FeaturePlan& plan, std::span<const ColumnView> columns,
                           const CompiledRows& out, std::span<std::uint64_t> scratch)
    : plan_(plan),
      columns_(columns),
      out_(out),
      scratch_(scratch),
      features_(plan.columns.size() + plan.crosses.size()) {}

void FeatureBlock::compile(std::uint32_t first, std::uint32_t count, CompileCounts& counts) {
    first_ = first;
    count_ = count;
    all_ = count == kRows ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
    std::uint64_t in_all = all_;
    for (std::size_t i = 0; i < plan_.columns.size(); ++i) {
        fill_column(i);
        in_all &= valid_of(i);
    }
    for (std::size_t i = 0; i < plan_.crosses.size(); ++i) fill_cross(i);
    if (!plan_.has_lists && in_all == all_) {
        write_even_rows(counts);
    } else {
        write_uneven_rows(counts);
    }
}

// Leaves a key per valid row; for numbers the value's bits; for lists only the validity.
void FeatureBlock::fill_column(std::size_t index) {
    const PlannedColumn& column = plan_.columns[index];
    const FeatureColumn& declared = column.declared;
    const ColumnView& view = view_of(column);
    std::uint64_t* const keys = keys_of(index);
    std::uint64_t valid = validity_of(view, first_, count_, all_);
    if (declared.kind == FeatureKind::kHashed) {
        hash_values(view, declared.take, column.seed, column.hash, first_, count_, keys, valid);
    } else if (declared.kind == FeatureKind::kBuckets) {
        for_each_number(view, declared.take, first_, count_, [&](std::uint32_t i, auto number) {
            const bool missing = ((valid >> i) & 1) == 0;
            keys[i] = column.hash(missing ? kMissingBucket
                                          : bucket_of(declared, static_cast<double>(number)));
        });
        valid = all_;
    } else if (declared.kind == FeatureKind::kNumber) {
        for_each_number(view, declared.take, first_, count_, [&](std::uint32_t i, auto number) {
            const double x = transformed(declared.transform, static_cast<double>(number));
            // Adding +0 keeps a real zero apart from the -0 that means "missing".
            keys[i] = std::bit_cast<std::uint32_t>(static_cast<float>(x) + 0.0F);
        });
        if (declared.scale == Scale::kStandardize) {
            for (std::uint64_t absent = all_ & ~valid; absent != 0; absent &= absent - 1) {
                keys[std::countr_zero(absent)] = std::bit_cast<std::uint32_t>(-0.0F);
            }
            valid = all_;
        }
    }
    valid_of(index) = valid;
}

void FeatureBlock::fill_cross(std::size_t index) {
    const PlannedCross& cross = plan_.crosses[index];
    const std::size_t feature = plan_.columns.size() + index;
    std::uint64_t valid = all_;
    for (const std::uint32_t part : cross.parts) valid &= valid_of(part);
    valid_of(feature) = valid;
    if (cross.list >= 0) return;
    std::uint64_t* const keys = keys_of(feature);
    std::copy_n(keys_of(cross.parts[0]), count_, keys);
    for (std::size_t p = 1; p < cross.parts.size(); ++p) {
        const std::uint64_t* part = keys_of(cross.parts[p]);
        for (std::uint32_t i = 0; i < count_; ++i) keys[i] = cross_keys(keys[i], part[i]);
    }
}

void FeatureBlock::write_even_rows(CompileCounts& counts) {
    const std::size_t stride = features_ + 1;
    std::uint32_t* const slots = out_.slots.data() + counts.entries;
    float* const values = plan_.has_values ? out_.values.data() + counts.entries : nullptr;
    for (std::uint32_t i = 0; i < count_; ++i) slots[i * stride] = kBiasSlot;
    if (values != nullptr) std::fill_n(values, stride * count_, 1.0F);
    for (std::size_t f = 0; f < features_; ++f) {
        const std::uint64_t* const keys = keys_of(f);
        std::uint32_t* const out = slots + 1 + f;
        if (f < plan_.columns.size() && plan_.columns[f].declared.kind == FeatureKind::kNumber) {
            const std::uint32_t slot = slot_of(plan_.columns[f].seed, plan_.mask);
            for (std::uint32_t i = 0; i < count_; ++i) {
                out[i * stride] = slot;
                values[i * stride + 1 + f] =
                    std::bit_cast<float>(static_cast<std::uint32_t>(keys[i]));
            }
        } else {
            for (std::uint32_t i = 0; i < count_; ++i)
                out[i * stride] = slot_of(keys[i], plan_.mask);
        }
    }
    for (std::uint32_t i = 1; i <= count_; ++i) {
        out_.offsets[first_ + i] = static_cast<std::int32_t>(counts.entries + i * stride);
    }
    counts.entries += stride * count_;
}

void FeatureBlock::write_uneven_rows(CompileCounts& counts) {
    for (std::uint32_t row = 0; row < count_; ++row) {
        write_entry(kBiasSlot, 1.0F, counts);
        for (std::size_t c = 0; c < plan_.columns.size(); ++c) {
            if (((valid_of(c) >> row) & 1) != 0) write_column(c, row, counts);
        }
        for (std::size_t x = 0; x < plan_.crosses.size(); ++x) {
            const std::size_t feature = plan_.columns.size() + x;
            if (((valid_of(feature) >> row) & 1) == 0) continue;
            if (plan_.crosses[x].list >= 0) {
                write_list_cross(plan_.crosses[x], row, counts);
            } else {
                write_entry(slot_of(keys_of(feature)[row], plan_.mask), 1.0F, counts);
            }
        }
        out_.offsets[first_ + row + 1] = static_cast<std::int32_t>(counts.entries);
    }
}

void FeatureBlock::write_column(std::size_t index, std::uint32_t row, CompileCounts& counts) {
    const PlannedColumn& column = plan_.columns[index];
    const std::uint64_t key = keys_of(index)[row];
    switch (column.declared.kind) {
        case FeatureKind::kHashedList:
            return write_list(column, row, counts);
        case FeatureKind::kNumber:
            return write_entry(slot_of(column.seed, plan_.mask),
                               std::bit_cast<float>(static_cast<std::uint32_t>(key)), counts);
        case FeatureKind::kHashed:
        case FeatureKind::kBuckets:
            return write_entry(slot_of(key, plan_.mask), 1.0F, counts);
    }
}

void FeatureBlock::write_entry(std::uint32_t slot, float value, CompileCounts& counts) {
    out_.slots[counts.entries] = slot;
    if (plan_.has_values) out_.values[counts.entries] = value;
    ++counts.entries;
}

namespace {

// Calls each(key) for the items of one row's list that are valid, at most `limit` items.
// Returns how many items the limit cut off.
template <class Each>
std::uint64_t for_each_item(const PlannedColumn& column, const ColumnView& view, std::uint32_t row,
                            std::uint32_t limit, const Each& each) {
    const std::int32_t* offsets = view.offsets + view.first + row;
    const auto begin = static_cast<std::size_t>(offsets[0]);
    const auto items = static_cast<std::uint32_t>(offsets[1] - offsets[0]);
    const std::uint32_t taken_items = std::min(items, limit);
    for (std::uint32_t i = 0; i < taken_items; ++i) {
        std::uint64_t key = 0;
        std::uint64_t valid = validity_of(*view.child, begin + i, 1, 1);
        hash_values(*view.child, Take::kValue, column.seed, column.hash, begin + i, 1, &key, valid);
        if (valid != 0) each(key);
    }
    return items - taken_items;
}

}  // namespace

void FeatureBlock::write_list(const PlannedColumn& column, std::uint32_t row,
                              CompileCounts& counts) {
    counts.list_items_dropped += for_each_item(
        column, view_of(column), first_ + row, plan_.list_items,
        [&](std::uint64_t key) { write_entry(slot_of(key, plan_.mask), 1.0F, counts); });
}

void FeatureBlock::write_list_cross(const PlannedCross& cross, std::uint32_t row,
                                    CompileCounts& counts) {
    const auto list = static_cast<std::uint32_t>(cross.list);
    const PlannedColumn& column = plan_.columns[list];
    for_each_item(column, view_of(column), first_ + row, plan_.list_items, [&](std::uint64_t item) {
        const auto key_of = [&](std::uint32_t part) {
            return part == list ? item : keys_of(part)[row];
        };
        std::uint64_t key = key_of(cross.parts[0]);
        for (std::size_t p = 1; p < cross.parts.size(); ++p) {
            key = cross_keys(key, key_of(cross.parts[p]));
        }
        write_entry(slot_of(key, plan_.mask), 1.0F, counts);
    });
}

}  // namespace millrace::ml
