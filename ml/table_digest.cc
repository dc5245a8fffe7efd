#include "ml/table_digest.h"

#include <algorithm>
#include <bit>
#include <string_view>

#include "ml/hash.h"

namespace millrace::ml {
namespace {

std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) {
    return hash_bytes({reinterpret_cast<const char*>(&value), sizeof(value)}, hash);
}

std::uint64_t mixed(std::uint64_t hash, double value) {
    return mixed(hash, std::bit_cast<std::uint64_t>(value));
}

}  // namespace

void TableDigest::begin(const Table& table) {
    const RowCounts& counts = table.counts();
    hash_ = table.bits();
    for (const std::uint64_t count : {counts.learned, counts.skipped_features, counts.skipped_label,
                                      counts.skipped_weight, table.scalars().steps})
        hash_ = mixed(hash_, count);
    hash_ = mixed(hash_, table.scalars().scale);
    hash_ = mixed(hash_, double{table.scalars().label_low});
    hash_ = mixed(hash_, double{table.scalars().label_high});
    for (const StandardScaler::Moments& moments : table.scaler().moments()) {
        hash_ = mixed(hash_, moments.count);
        hash_ = mixed(hash_, moments.mean);
        hash_ = mixed(hash_, moments.squares);
    }
    next_cell_ = 0;
}

std::optional<std::uint64_t> TableDigest::advance(const Table& table) {
    const auto rest = table.cells().subspan(next_cell_);
    const auto piece = rest.first(std::min(rest.size(), kPieceBytes / sizeof(Cell)));
    hash_ = hash_bytes({reinterpret_cast<const char*>(piece.data()), piece.size_bytes()}, hash_);
    next_cell_ += piece.size();
    if (next_cell_ < table.cells().size()) return std::nullopt;
    return hash_;
}

std::uint64_t TableDigest::of(const Table& table) {
    TableDigest digest;
    digest.begin(table);
    std::optional<std::uint64_t> done;
    while (!done) done = digest.advance(table);
    return *done;
}

}  // namespace millrace::ml
