#include "runtime/task/key_hash_edge.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/base/key_groups.h"
#include "runtime/data/merge.h"
#include "runtime/state/key_groups.h"
#include "runtime/task/key_hash.h"

namespace millrace::task {

namespace {

class KeyHashEdge final : public OutputEdge {
  public:
    KeyHashEdge(const std::vector<OutputChannel*>& channels, data::BatchMemory& memory,
                KeyHashOptions options)
        : OutputEdge(channels),
          options_(std::move(options)),
          memory_(memory),
          pending_(channels.size()),
          counts_(channels.size()) {
        MILLRACE_CHECK(!options_.key_columns.empty());
        MILLRACE_CHECK_LE(channels.size(), kKeyGroups);
        const auto subtasks = static_cast<std::uint32_t>(channels.size());
        for (std::uint32_t group = 0; group < kKeyGroups; ++group) {
            lane_of_group_[group] =
                static_cast<std::uint16_t>(state::subtask_of(group, subtasks, kKeyGroups));
        }
    }

    [[nodiscard]] TimePoint next_tick() const override {
        return rows_waiting_ == 0 ? TimePoint::max() : oldest_ + options_.linger;
    }

  private:
    // Rows that one lane has still to send.
    struct Part {
        data::BatchPtr batch;
        std::size_t count = 0;  // Of the rows below.
    };
    struct Pending {
        std::vector<Part> parts;
        std::vector<std::uint16_t> rows;  // Of all parts, one behind the other.
        std::size_t bytes = 0;            // About.
    };

    Status do_place(data::BatchPtr batch, TimePoint now) override {
        find_lanes(*batch);
        const auto only = std::ranges::find(counts_, batch->rows());
        if (only != counts_.end()) {
            return place_whole(static_cast<std::size_t>(only - counts_.begin()), std::move(batch),
                               now);
        }
        for (std::size_t lane = 0; lane < counts_.size(); ++lane) {
            if (pending_[lane].rows.size() + counts_[lane] > data::kRowsMax) {
                MILLRACE_TRY(send(lane));
            }
        }
        return hold(batch, now);
    }

    // Lists the rows, then sends what is full; everything, when too much is kept alive.
    Status hold(const data::BatchPtr& batch, TimePoint now) {
        list_rows(batch, now);
        for (std::size_t lane = 0; lane < counts_.size(); ++lane) {
            if (is_full(pending_[lane])) MILLRACE_TRY(send(lane));
        }
        if (held_bytes_ < kHeldBytesMax) return {};
        for (std::size_t lane = 0; lane < counts_.size(); ++lane) MILLRACE_TRY(send(lane));
        return {};
    }

    [[nodiscard]] bool has_window() override {
        // One slow subtask stops the edge: its rows would have to wait here.
        return std::ranges::all_of(lanes(),
                                   [](const Lane& lane) { return lane.channel->has_room(); });
    }

    [[nodiscard]] bool has_rows(std::size_t lane) const override {
        return !pending_[lane].rows.empty();
    }

    Result<bool> flush(std::size_t lane) override {
        if (!has_rows(lane)) return true;
        if (!lanes()[lane].channel->has_room()) return false;
        MILLRACE_TRY(send(lane));
        return true;
    }

    Status flush_due(TimePoint now) override {
        if (now < next_tick()) return {};
        for (std::size_t lane = 0; lane < pending_.size(); ++lane) {
            MILLRACE_TRY_ASSIGN(const bool sent, flush(lane));
            (void)sent;
        }
        return {};
    }

    // Fills lane_of_row_ and counts_.
    void find_lanes(const data::Batch& batch) {
        const std::span hashes = std::span(hashes_).first(batch.rows());
        hash_keys(batch, options_.key_columns, hashes);
        std::ranges::fill(counts_, 0U);
        for (std::size_t row = 0; row < hashes.size(); ++row) {
            lane_of_row_[row] = lane_of_group_[state::key_group_of(hashes[row], kKeyGroups)];
            ++counts_[lane_of_row_[row]];
        }
    }

    Status place_whole(std::size_t lane, data::BatchPtr batch, TimePoint now) {
        Pending& pending = pending_[lane];
        if (batch->rows() + pending.rows.size() <= data::kRowsMax / 4) return hold(batch, now);
        MILLRACE_TRY(send(lane));  // In order.
        lanes()[lane].channel->push(std::move(batch));
        return {};
    }

    void list_rows(const data::BatchPtr& batch, TimePoint now) {
        if (rows_waiting_ == 0) oldest_ = now;
        for (std::size_t lane = 0; lane < counts_.size(); ++lane) {
            if (counts_[lane] == 0) continue;
            pending_[lane].parts.push_back({.batch = batch, .count = counts_[lane]});
            pending_[lane].bytes += batch->bytes() * counts_[lane] / batch->rows();
        }
        for (std::size_t row = 0; row < batch->rows(); ++row) {
            pending_[lane_of_row_[row]].rows.push_back(static_cast<std::uint16_t>(row));
        }
        rows_waiting_ += batch->rows();
        held_bytes_ += std::max(batch->bytes(), batch->own_bytes());
    }

    static bool is_full(const Pending& pending) {
        return pending.rows.size() == data::kRowsMax || pending.bytes >= data::kBytesTarget;
    }

    // Sends all rows of a lane as one batch.
    Status send(std::size_t lane) {
        Pending& pending = pending_[lane];
        if (pending.rows.empty()) return {};
        data::BatchPtr batch;
        if (pending.parts.size() == 1 &&
            pending.rows.size() == pending.parts.front().batch->rows()) {
            batch = std::move(pending.parts.front().batch);
        } else {
            MILLRACE_TRY_ASSIGN(batch, merge(pending));
        }
        rows_waiting_ -= pending.rows.size();
        if (rows_waiting_ == 0) held_bytes_ = 0;
        pending.parts.clear();
        pending.rows.clear();
        pending.bytes = 0;
        lanes()[lane].channel->push(std::move(batch));
        return {};
    }

    Result<data::BatchPtr> merge(const Pending& pending) {
        merging_.clear();
        std::size_t at = 0;
        for (const Part& part : pending.parts) {
            merging_.push_back({.batch = part.batch.get(),
                                .rows = std::span(pending.rows).subspan(at, part.count)});
            at += part.count;
        }
        return data::merge(merging_, memory_);
    }

    // Constant after construction.
    const KeyHashOptions options_;
    data::BatchMemory& memory_;
    std::array<std::uint16_t, kKeyGroups> lane_of_group_{};

    std::vector<Pending> pending_;  // One a lane.
    std::size_t rows_waiting_ = 0;
    std::size_t held_bytes_ = 0;  // Of batches placed since no row waited; an upper bound.
    TimePoint oldest_{};          // When the first row that waits came.

    // Of the batch that is being placed.
    std::vector<std::size_t> counts_;  // Rows a lane.
    std::array<std::uint32_t, data::kRowsMax> hashes_{};
    std::array<std::uint16_t, data::kRowsMax> lane_of_row_{};
    std::vector<data::BatchRows> merging_;
};

}  // namespace

std::unique_ptr<OutputEdge> make_key_hash_edge(const std::vector<OutputChannel*>& channels,
                                               data::BatchMemory& memory, KeyHashOptions options) {
    return std::make_unique<KeyHashEdge>(channels, memory, std::move(options));
}

}  // namespace millrace::task
