// The read-only copy of a model's weights that predict tasks use: 4 bytes a weight, 8 with
// variance.
//
// One table publishes into it; any number of threads read at the same time. A reader may see some
// weights of the version before or after the one it reports: never a torn number. When a
// publication changes a factor common to all weights (`scale`), readers wait for its end instead,
// because a mixture would be wrong; that happens about once in millions of rows, and only with L2
// in `sgd`.
//
// Threads:    one writer (the table), many readers; relaxed std::atomic_ref for the weights, which
//             need no order among themselves; release and acquire on the version and the scalars.
// Ownership:  borrows its memory, which must outlive it.
// Limits:     bytes(); kScaledColumnsMax scaler columns. Never allocates.
// Failure:    none.

#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ml/prefetch.h"
#include "ml/standard_scaler.h"

namespace millrace::ml {

struct Cell;

// What a learner knows besides its cells.
struct ModelScalars {
    std::uint64_t steps = 0;  // Rows learned, as rate schedules count them.
    double scale = 1;         // A weight is scale * cell weight, the constant feature excepted.
    float label_low = 0;      // The range of the labels seen, for learners that clip to it.
    float label_high = 0;
    bool operator==(const ModelScalars&) const = default;
};

class ServingView {
  public:
    // What a cell of the view holds.
    enum class Lanes : std::uint8_t { kWeight = 1, kMeanAndVariance = 2 };
    struct MeanAndVariance {
        float mean;
        float variance;
    };

    [[nodiscard]] static std::size_t bytes(unsigned bits, Lanes lanes) {
        return (std::size_t{4} << bits) * static_cast<std::size_t>(lanes);
    }

    // Zeroes `memory` unless `zeroed` says that it is so already. The view then stands at version
    // 0, but is the prior only after the first Table::publish(). REQUIRES: memory.size() ==
    // bytes(bits, lanes), 64-byte aligned.
    ServingView(std::span<std::byte> memory, unsigned bits, Lanes lanes, bool zeroed);

    ServingView(const ServingView&) = delete;
    ServingView& operator=(const ServingView&) = delete;

    // The version that is complete in this view.
    [[nodiscard]] std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
    // Rows that the table had learned at that version.
    [[nodiscard]] std::uint64_t rows_learned() const {
        return rows_learned_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] unsigned bits() const { return bits_; }
    [[nodiscard]] Lanes lanes() const { return lanes_; }

    // REQUIRES: slot < 2^bits; lanes() == kWeight.
    [[nodiscard]] float weight(std::uint32_t slot) const {
        return std::atomic_ref(weights_[slot]).load(std::memory_order_relaxed);
    }
    // REQUIRES: slot < 2^bits; lanes() == kMeanAndVariance.
    [[nodiscard]] MeanAndVariance mean_and_variance(std::uint32_t slot) const {
        return std::bit_cast<MeanAndVariance>(
            std::atomic_ref(pairs_[slot]).load(std::memory_order_relaxed));
    }
    void prefetch(std::uint32_t slot) const {
        prefetch_line(memory_ + std::size_t{slot} * 4 * static_cast<std::size_t>(lanes_));
    }

    // Everything but weights, as a reader may use it for one batch. `epoch` is for still_valid().
    struct Scalars {
        ModelScalars model;
        std::uint64_t epoch = 0;
    };
    // Waits while a publication multiplies the scale out.
    [[nodiscard]] Scalars scalars() const;
    // False when the scale changed since `read`: what was computed with it must be computed again.
    [[nodiscard]] bool still_valid(const Scalars& read) const {
        // A read-modify-write: either it precedes the writer's in the epoch's order, and then all
        // weights read before it are older than that publication, or it sees the writer's.
        return epoch_.fetch_add(0, std::memory_order_acq_rel) == read.epoch;
    }
    [[nodiscard]] const PublishedScaler& scaler() const { return scaler_; }

    // The table's side. REQUIRES: one caller at a time.
    // Begins a publication; ends with finish_publish().
    void begin_publish(const ModelScalars& scalars, const StandardScaler& scaler);
    void store_line(std::size_t line, const Cell* cells);
    void finish_publish(std::uint64_t version, std::uint64_t rows_learned);

  private:
    // Constant after construction.
    const unsigned bits_;
    const Lanes lanes_;
    std::byte* const memory_;
    float* const weights_;        // kWeight
    std::uint64_t* const pairs_;  // kMeanAndVariance

    // Written by the table, read racily by readers.
    alignas(64) std::atomic<std::uint64_t> version_{0};
    std::atomic<std::uint64_t> rows_learned_{0};
    mutable std::atomic<std::uint64_t> epoch_{
        0};  // Moves with the scale; odd while readers must wait.
    std::atomic<std::uint64_t> steps_{0};
    std::atomic<double> scale_{1};
    std::atomic<std::uint64_t> label_range_{0};  // Both ends, so that they agree.
    PublishedScaler scaler_;
};

}  // namespace millrace::ml
