#include "runtime/task/key_hash.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "runtime/base/check.h"
#include "runtime/state/key_groups.h"

namespace millrace::task {

namespace {

constexpr std::uint32_t kNull = 0x9e3779b9;

std::uint32_t hash_word(std::uint64_t word, std::uint32_t seed) {
    static_assert(std::endian::native == std::endian::little);
    return state::murmur3(std::as_bytes(std::span(&word, 1)), seed);
}

std::uint64_t word_of(double value) {
    if (std::isnan(value)) value = std::numeric_limits<double>::quiet_NaN();
    return std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value);
}

// Chains `hash(row, seed)` to every row's hash so far.
template <class Hash>
void chain(const data::Column& column, std::span<std::uint32_t> hashes, Hash hash) {
    for (std::size_t row = 0; row < hashes.size(); ++row) {
        hashes[row] =
            column.is_null(row) ? state::murmur3({}, hashes[row] ^ kNull) : hash(row, hashes[row]);
    }
}

template <class T>
void chain_integers(const data::Column& column, std::span<std::uint32_t> hashes) {
    const T* const values = column.as<T>();
    chain(column, hashes, [=](std::size_t row, std::uint32_t seed) {
        return hash_word(static_cast<std::uint64_t>(std::int64_t{values[row]}), seed);
    });
}

template <class T>
void chain_floats(const data::Column& column, std::span<std::uint32_t> hashes) {
    const T* const values = column.as<T>();
    chain(column, hashes, [=](std::size_t row, std::uint32_t seed) {
        return hash_word(word_of(static_cast<double>(values[row])), seed);
    });
}

}  // namespace

void hash_keys(const data::Batch& batch, std::span<const std::size_t> columns,
               std::span<std::uint32_t> hashes) {
    using data::Kind;
    MILLRACE_CHECK_EQ(hashes.size(), batch.rows());
    std::ranges::fill(hashes, 0U);
    for (const std::size_t index : columns) {
        const data::Column& column = batch.column(index);
        switch (batch.schema()->fields()[index].type.kind) {
            case Kind::kBool:
                chain(column, hashes, [&](std::size_t row, std::uint32_t seed) {
                    return hash_word(column.bool_at(row) ? 1 : 0, seed);
                });
                break;
            case Kind::kInt32:
                chain_integers<std::int32_t>(column, hashes);
                break;
            case Kind::kInt64:
            case Kind::kTimestampMs:
                chain_integers<std::int64_t>(column, hashes);
                break;
            case Kind::kFloat32:
                chain_floats<float>(column, hashes);
                break;
            case Kind::kFloat64:
                chain_floats<double>(column, hashes);
                break;
            case Kind::kString:
            case Kind::kBytes:
                chain(column, hashes, [&](std::size_t row, std::uint32_t seed) {
                    return state::murmur3(std::as_bytes(std::span(column.text_at(row))), seed);
                });
                break;
            case Kind::kList:
            case Kind::kFeatures: {
                constexpr bool kHasOneValue = false;
                MILLRACE_CHECK(kHasOneValue);
            }
        }
    }
}

}  // namespace millrace::task
