// Memory, table and view of one model for tests, with rows written by hand.
//
// Threads:    one owner.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "ml/learner.h"
#include "ml/serving_view.h"
#include "ml/table.h"

namespace millrace::ml {

// Zeroed memory, 64-byte aligned.
class AlignedMemory {
  public:
    explicit AlignedMemory(std::size_t bytes)
        : bytes_(bytes),
          memory_(static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64))) {
        for (std::size_t i = 0; i < bytes; ++i) memory_.get()[i] = std::byte{0};
    }
    [[nodiscard]] std::span<std::byte> bytes() { return {memory_.get(), bytes_}; }
    template <class T>
    [[nodiscard]] std::span<T> as() {
        return {reinterpret_cast<T*>(memory_.get()), bytes_ / sizeof(T)};
    }

  private:
    struct Free {
        void operator()(std::byte* memory) const { std::free(memory); }
    };
    std::size_t bytes_;
    std::unique_ptr<std::byte, Free> memory_;
};

class ModelFixture {
  public:
    explicit ModelFixture(unsigned bits, ServingView::Lanes lanes = ServingView::Lanes::kWeight,
                          std::uint32_t scaled_columns = 0, std::size_t order_runs = 64)
        : cells_(Table::cell_bytes(bits)),
          dirty_(DirtyLines::bytes(bits)),
          runs_(order_runs),
          view_memory_(ServingView::bytes(bits, lanes)),
          table(bits,
                {.cells = cells_.as<Cell>(),
                 .dirty = dirty_.as<std::uint64_t>(),
                 .order_runs = runs_},
                Table::Content::kZeroed, scaled_columns),
          view(view_memory_.bytes(), bits, lanes, true) {}

  private:
    AlignedMemory cells_;
    AlignedMemory dirty_;
    std::vector<OrderRun> runs_;
    AlignedMemory view_memory_;

  public:
    Table table;
    ServingView view;
};

// Rows that own their arrays.
class RowList {
  public:
    struct Entry {
        std::uint32_t slot;
        float value = 1;
    };
    void add(std::span<const Entry> entries, float label, float weight = 1) {
        for (const Entry& entry : entries) {
            slots_.push_back(entry.slot);
            values_.push_back(entry.value);
        }
        offsets_.push_back(static_cast<std::int32_t>(slots_.size()));
        labels_.push_back(label);
        weights_.push_back(weight);
    }
    void add(std::initializer_list<Entry> entries, float label, float weight = 1) {
        add(std::span(entries.begin(), entries.size()), label, weight);
    }
    [[nodiscard]] SparseRows rows() const {
        return {.row_count = static_cast<std::uint32_t>(labels_.size()),
                .offsets = offsets_.data(),
                .slots = slots_.data(),
                .values = values_.data(),
                .labels = labels_.data(),
                .weights = weights_.data()};
    }
    [[nodiscard]] std::span<float> values() { return values_; }
    [[nodiscard]] std::span<const float> labels() const { return labels_; }
    [[nodiscard]] std::size_t size() const { return labels_.size(); }

  private:
    std::vector<std::int32_t> offsets_{0};
    std::vector<std::uint32_t> slots_;
    std::vector<float> values_;
    std::vector<float> labels_;
    std::vector<float> weights_;
};

// The scores that training hands out.
inline std::vector<float> trained_scores(const Learner& learner, Table& table,
                                         const SparseRows& rows) {
    std::vector<float> scores(rows.row_count);
    learner.train_rows(table, rows, scores);
    return scores;
}

inline std::vector<float> predicted_scores(const Learner& learner, const ServingView& view,
                                           const SparseRows& rows) {
    std::vector<float> scores(rows.row_count);
    learner.predict_rows(view, rows, scores, {});
    return scores;
}

}  // namespace millrace::ml
