#include "operators/learning/row_order.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace millrace::operators {
namespace {

constexpr auto kRows = static_cast<std::uint32_t>(data::kRowsMax);

}  // namespace

RowOrder::RowOrder(std::uint32_t batches, std::span<std::uint32_t> links)
    : links_(links), timestamps_ms_(batches) {
    MILLRACE_CHECK_EQ(links.size(), link_count(batches));
}

std::size_t RowOrder::index_of(std::uint32_t split) const {
    const auto at = std::ranges::lower_bound(lines_, split, {}, &Line::split);
    return static_cast<std::size_t>(at - lines_.begin());
}

void RowOrder::add_split(const OrderPlan::Split& split, TimePoint now) {
    const std::size_t at = index_of(split.split);
    if (at < lines_.size() && lines_[at].split == split.split) return;
    lines_.insert(lines_.begin() + static_cast<std::ptrdiff_t>(at),
                  {.split = split.split,
                   .feeds = split.feeds,
                   .feeds_open = split.feeds.size(),
                   .idle_after = split.idle_after,
                   .heard = now});
    order_.add_split(split.split);
    // A split that no feed carries has no rows here.
    end_if_over(lines_[at]);
}

RowOrder::Line& RowOrder::line_of(std::uint32_t split, std::uint32_t feed, TimePoint now) {
    const std::size_t at = index_of(split);
    if (at == lines_.size() || lines_[at].split != split) {
        add_split({.split = split, .feeds = {feed}}, now);
    }
    return lines_[at];
}

void RowOrder::append(Line& line, std::uint32_t node) {
    links_[node] = kNone;
    if (line.head == kNone) {
        line.head = node;
    } else {
        links_[line.tail] = node;
    }
    line.tail = node;
}

void RowOrder::admit(std::uint32_t number, std::uint32_t feed, const data::Batch& batch,
                     TimePoint now) {
    const data::PositionColumns& at = batch.positions();
    timestamps_ms_[number] = at.timestamp_ms;
    rows_waiting_ += batch.rows();
    for (std::size_t row = 0; row < batch.rows();) {
        const std::int32_t split = at.split[row];
        Line& line = line_of(static_cast<std::uint32_t>(split), feed, now);
        line.heard = now;
        for (; row < batch.rows() && at.split[row] == split; ++row) {
            append(line, number * kRows + static_cast<std::uint32_t>(row));
        }
        top_up(line);
    }
}

void RowOrder::top_up(Line& line) {
    while (line.head != kNone && line.deciding < kRingRows) {
        const std::uint32_t first = line.head;
        std::uint32_t count = 0;
        do {
            line.head = links_[line.head];
            ++count;
        } while (line.head == first + count && count + line.deciding < kRingRows &&
                 line.head / kRows == first / kRows);
        const std::uint32_t number = first / kRows;
        const std::uint32_t row = first % kRows;
        const std::uint32_t taken =
            order_.push(line.split, number, row, std::span(timestamps_ms_[number] + row, count));
        MILLRACE_CHECK_EQ(taken, count);
        line.deciding += count;
    }
}

void RowOrder::end_feed(std::uint32_t feed) {
    for (Line& line : lines_) {
        if (std::erase(line.feeds, feed) == 0) continue;
        line.feeds_open = line.feeds.size();
        end_if_over(line);
    }
}

void RowOrder::end_if_over(Line& line) {
    // Rows that wait here are not with the decision yet, which takes none after the end.
    if (line.feeds_open > 0 || line.head != kNone || line.has_ended) return;
    line.has_ended = true;
    order_.end(line.split);
}

void RowOrder::excuse_feed(std::uint32_t feed, TimePoint now) {
    for (Line& line : lines_) {
        if (std::ranges::find(line.feeds, feed) != line.feeds.end()) line.heard = now;
    }
}

void RowOrder::excuse_all(Duration pause) {
    for (Line& line : lines_) line.heard += pause;
}

std::optional<RowOrder::Run> RowOrder::next(std::uint32_t count_max) {
    std::optional<Run> run = order_.next(count_max);
    if (!run) return run;
    Line& line = lines_[index_of(run->split)];
    line.deciding -= run->count;
    rows_waiting_ -= run->count;
    if (line.deciding == 0) {
        top_up(line);
        end_if_over(line);
    }
    return run;
}

std::optional<RowOrder::Wait> RowOrder::waiting() const {
    if (rows_waiting_ == 0) return std::nullopt;
    const std::optional<std::uint32_t> split = order_.waiting_for();
    if (!split) return std::nullopt;
    const Line& line = lines_[index_of(*split)];
    return Wait{.split = *split, .feeds = line.feeds, .until = line.heard + line.idle_after};
}

void RowOrder::skip(std::uint32_t split) { MILLRACE_CHECK(order_.mark_dry(split)); }

}  // namespace millrace::operators
