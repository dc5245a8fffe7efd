// Walks the cells of a row for learners whose coordinates move independently: reads the margin,
// then moves four coordinates at a time where the four slots differ, else one by one.
//
// A rule brings
//   template <class V> void step(V g, V& w, V& s0, V& s1, V& s2) const     V is float or Float4
//   void step_bias(float g, Cell&) const                                  the constant feature
// where g is the coordinate's gradient. Both ways give the same bits (float4.h). Entries of one row
// that share a slot are applied one after the other.
//
// Threads:    the table's writer.
// Ownership:  borrows the table.
// Failure:    none; the caller has checked the gradient.

#pragma once

#include "ml/float4.h"
#include "ml/learner_kernel.h"
#include "ml/table.h"

namespace millrace::ml {

class CoordinateUpdate {
  public:
    explicit CoordinateUpdate(Table& table) : cells_(table.cells().data()), dirty_(table.dirty()) {}

    // sum w_i x_i
    template <bool kOnes>
    [[nodiscard]] float margin(const Row<kOnes>& row) const {
        return interleaved_sum<float>(
            row.count, [&](std::uint32_t i) { return cells_[row.slots[i]].w * row.value(i); });
    }

    // `slope` is the loss's derivative by the margin, times the row's weight.
    template <bool kOnes, class Rule>
    void update(const Row<kOnes>& row, float slope, const Rule& rule) {
        std::uint32_t i = 0;
        if (row.count > 0 && row.slots[0] == kBiasSlot) update_one(row, slope, i++, rule);
        for (; i + 4 <= row.count; i += 4) {
            if (four_distinct(row.slots + i)) {
                update_four(row, slope, i, rule);
            } else {
                for (std::uint32_t k = i; k < i + 4; ++k) update_one(row, slope, k, rule);
            }
        }
        for (; i < row.count; ++i) update_one(row, slope, i, rule);
    }

    [[nodiscard]] const Cell& cell(std::uint32_t slot) const { return cells_[slot]; }

  private:
    template <bool kOnes, class Rule>
    void update_four(const Row<kOnes>& row, float slope, std::uint32_t i, const Rule& rule) {
        Float4 g(slope);
        if constexpr (!kOnes) g = g * Float4::load(row.values + i);
        const std::uint32_t* slots = row.slots + i;
        FourCells four(cells_, slots);
        rule.step(g, four.w, four.s0, four.s1, four.s2);
        four.store(cells_, slots);
        for (int k = 0; k < 4; ++k) dirty_.mark(slots[k]);
    }

    template <bool kOnes, class Rule>
    void update_one(const Row<kOnes>& row, float slope, std::uint32_t i, const Rule& rule) {
        const std::uint32_t slot = row.slots[i];
        const float g = slope * row.value(i);
        Cell& cell = cells_[slot];
        dirty_.mark(slot);
        if (slot == kBiasSlot) {
            rule.step_bias(g, cell);
        } else {
            rule.step(g, cell.w, cell.state[0], cell.state[1], cell.state[2]);
        }
    }

    Cell* const cells_;
    DirtyLines dirty_;
};

}  // namespace millrace::ml
