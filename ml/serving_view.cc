#include "ml/serving_view.h"

#include <algorithm>
#include <bit>
#include <thread>

#include "ml/table.h"
#include "runtime/base/check.h"

namespace millrace::ml {
namespace {

std::uint64_t packed(float low, float high) {
    return std::bit_cast<std::uint64_t>(std::array<float, 2>{low, high});
}

}  // namespace

ServingView::ServingView(std::span<std::byte> memory, unsigned bits, Lanes lanes, bool zeroed)
    : bits_(bits),
      lanes_(lanes),
      memory_(memory.data()),
      weights_(reinterpret_cast<float*>(memory.data())),
      pairs_(reinterpret_cast<std::uint64_t*>(memory.data())) {
    MILLRACE_CHECK_EQ(memory.size(), bytes(bits, lanes));
    MILLRACE_CHECK_EQ(reinterpret_cast<std::uintptr_t>(memory.data()) % 64, 0U);
    if (!zeroed) std::ranges::fill(memory, std::byte{0});
}

ServingView::Scalars ServingView::scalars() const {
    while (true) {
        Scalars read;
        read.epoch = epoch_.load(std::memory_order_acquire);
        read.model.steps = steps_.load(std::memory_order_relaxed);
        read.model.scale = scale_.load(std::memory_order_relaxed);
        const auto range =
            std::bit_cast<std::array<float, 2>>(label_range_.load(std::memory_order_relaxed));
        read.model.label_low = range[0];
        read.model.label_high = range[1];
        if ((read.epoch & 1) == 0 && still_valid(read)) return read;
        std::this_thread::yield();
    }
}

// With the new scale, weights not yet copied are only shrunk early, which is harmless; with the old
// one, new weights are too large, so readers that hold it must notice (the epoch has moved on).
// When the scale rises, weights were divided by as much, and neither mixture will do: the epoch
// stays odd.
void ServingView::begin_publish(const ModelScalars& scalars, const StandardScaler& scaler) {
    const double before = scale_.load(std::memory_order_relaxed);
    if (scalars.scale != before) epoch_.fetch_add(1, std::memory_order_acq_rel);
    steps_.store(scalars.steps, std::memory_order_relaxed);
    scale_.store(scalars.scale, std::memory_order_relaxed);
    label_range_.store(packed(scalars.label_low, scalars.label_high), std::memory_order_relaxed);
    if (scalars.scale < before) epoch_.fetch_add(1, std::memory_order_release);
    for (std::uint32_t i = 0; i < scaler.columns(); ++i) scaler_.store(i, scaler.scale(i));
    scaler_.set_columns(scaler.columns());
}

void ServingView::store_line(std::size_t line, const Cell* cells) {
    const std::size_t first = line * kCellsPerLine;
    for (std::size_t i = 0; i < kCellsPerLine; ++i) {
        if (lanes_ == Lanes::kWeight) {
            std::atomic_ref(weights_[first + i]).store(cells[i].w, std::memory_order_relaxed);
        } else {
            std::atomic_ref(pairs_[first + i])
                .store(packed(cells[i].w, cells[i].state[0]), std::memory_order_relaxed);
        }
    }
}

void ServingView::finish_publish(std::uint64_t version, std::uint64_t rows_learned) {
    rows_learned_.store(rows_learned, std::memory_order_relaxed);
    version_.store(version, std::memory_order_release);
    if ((epoch_.load(std::memory_order_relaxed) & 1) != 0) {
        epoch_.fetch_add(1, std::memory_order_release);
    }
}

}  // namespace millrace::ml
