#include "ml/canonical_order.h"

#include <algorithm>
#include <limits>

#include "runtime/base/check.h"

namespace millrace::ml {

CanonicalOrder::CanonicalOrder(std::uint32_t rows_per_split) : rows_per_split_(rows_per_split) {
    MILLRACE_CHECK_GT(rows_per_split, 0U);
}

void CanonicalOrder::add_split(std::uint32_t split) {
    MILLRACE_CHECK_LT(splits_.size(), kSplitsMax);
    const auto at = std::ranges::lower_bound(splits_, split, {}, &Split::number);
    MILLRACE_CHECK(at == splits_.end() || at->number != split);
    Split added;
    added.number = split;
    added.reached_ms = std::numeric_limits<std::int64_t>::min();
    added.ring.resize(rows_per_split_);
    splits_.insert(at, std::move(added));
}

CanonicalOrder::Split& CanonicalOrder::split_of(std::uint32_t number) {
    const auto at = std::ranges::lower_bound(splits_, number, {}, &Split::number);
    MILLRACE_CHECK(at != splits_.end() && at->number == number);
    return *at;
}

std::uint32_t CanonicalOrder::push(std::uint32_t split, std::uint64_t handle,
                                   std::uint32_t first_row,
                                   std::span<const std::int64_t> timestamps_ms) {
    Split& to = split_of(split);
    MILLRACE_CHECK_NE(to.phase, Phase::kEnded);
    const auto room = static_cast<std::size_t>(rows_per_split_ - to.size);
    const auto count = static_cast<std::uint32_t>(std::min(room, timestamps_ms.size()));
    for (std::uint32_t i = 0; i < count; ++i) {
        to.reached_ms = std::max(to.reached_ms, timestamps_ms[i]);
        to.ring[(to.head + to.size) % rows_per_split_] = {
            .reached_ms = to.reached_ms, .handle = handle, .row = first_row + i};
        ++to.size;
    }
    if (count > 0) to.phase = Phase::kActive;
    rows_waiting_ += count;
    return count;
}

void CanonicalOrder::end(std::uint32_t split) { split_of(split).phase = Phase::kEnded; }

bool CanonicalOrder::mark_dry(std::uint32_t split) {
    Split& dry = split_of(split);
    if (dry.size > 0 || dry.phase == Phase::kEnded) return false;
    dry.phase = Phase::kDry;
    return true;
}

bool CanonicalOrder::takes_part(const Split& split) {
    return split.size > 0 || split.phase == Phase::kActive;
}

std::int64_t CanonicalOrder::bound_of(const Split& split) {
    return split.size > 0 ? split.ring[split.head].reached_ms : split.reached_ms;
}

CanonicalOrder::Leaders CanonicalOrder::leaders() {
    Leaders leaders;
    // splits_ is in order of number, so that equal bounds keep that order.
    for (Split& split : splits_) {
        if (!takes_part(split)) continue;
        if (leaders.first == nullptr || bound_of(split) < bound_of(*leaders.first)) {
            leaders.second = leaders.first;
            leaders.first = &split;
        } else if (leaders.second == nullptr || bound_of(split) < bound_of(*leaders.second)) {
            leaders.second = &split;
        }
    }
    return leaders;
}

std::optional<CanonicalOrder::Run> CanonicalOrder::next(std::uint32_t count_max) {
    MILLRACE_CHECK_GT(count_max, 0U);
    const Leaders leading = leaders();
    if (leading.first == nullptr || leading.first->size == 0) return std::nullopt;
    Split& from = *leading.first;
    const auto precedes_second = [&](const Key& key) {
        if (leading.second == nullptr) return true;
        const std::int64_t bound = bound_of(*leading.second);
        if (key.reached_ms != bound) return key.reached_ms < bound;
        return from.number < leading.second->number;
    };
    const Key first = from.ring[from.head];
    Run run{.split = from.number, .handle = first.handle, .first_row = first.row, .count = 0};
    while (run.count < count_max && from.size > 0) {
        const Key& key = from.ring[from.head];
        const bool follows = key.handle == run.handle && key.row == run.first_row + run.count;
        if (!follows || !precedes_second(key)) break;
        from.head = (from.head + 1) % rows_per_split_;
        --from.size;
        ++run.count;
    }
    rows_waiting_ -= run.count;
    return run;
}

std::optional<std::uint32_t> CanonicalOrder::waiting_for() const {
    const Split* first = nullptr;
    for (const Split& split : splits_) {
        if (!takes_part(split)) continue;
        if (first == nullptr || bound_of(split) < bound_of(*first)) first = &split;
    }
    if (first == nullptr || first->size > 0) return std::nullopt;
    return first->number;
}

}  // namespace millrace::ml
