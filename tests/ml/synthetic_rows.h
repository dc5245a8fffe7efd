// Rows of the synthetic stream as learners read them: the constant feature, then 20 fields.

#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ml/learner.h"
#include "ml/metrics.h"
#include "ml/synthetic_ctr.h"

namespace millrace::ml {

class SyntheticRows {
  public:
    static constexpr std::uint32_t kEntries = SyntheticCtrStream::kFields + 1;

    SyntheticRows(std::uint64_t seed, std::uint32_t rows, unsigned bits, double drift = 0) {
        SyntheticCtrStream stream(seed, drift, rows);
        slots_.reserve(std::size_t{rows} * kEntries);
        for (std::uint32_t r = 0; r < rows; ++r) {
            const SyntheticCtrStream::Event event = stream.next();
            offsets_.push_back(static_cast<std::int32_t>(slots_.size()));
            slots_.push_back(kBiasSlot);
            for (std::uint32_t f = 0; f < SyntheticCtrStream::kFields; ++f) {
                slots_.push_back(SyntheticCtrStream::slot(f, event.fields[f], bits));
            }
            labels_.push_back(event.click ? 1.0F : 0.0F);
        }
        offsets_.push_back(static_cast<std::int32_t>(slots_.size()));
    }
    [[nodiscard]] SparseRows rows() const {
        return {.row_count = static_cast<std::uint32_t>(labels_.size()),
                .offsets = offsets_.data(),
                .slots = slots_.data(),
                .labels = labels_.data()};
    }

  private:
    std::vector<std::int32_t> offsets_;
    std::vector<std::uint32_t> slots_;
    std::vector<float> labels_;
};

// Log loss over a whole stream and over its second half, each row scored before it is
// learned; scores are clipped to [1e-9, 1 - 1e-9], as the reference figures are.
struct StreamLoss {
    double whole = 0;
    double second_half = 0;
};

inline StreamLoss progressive_loss(const Learner& learner, Table& table, const SparseRows& rows) {
    BinaryMetrics whole;
    BinaryMetrics half;
    std::vector<float> scores(1024);
    for (std::uint32_t begin = 0; begin < rows.row_count; begin += 1024) {
        const SparseRows batch = rows.slice(begin, std::min(1024U, rows.row_count - begin));
        learner.train_rows(table, batch, std::span(scores).first(batch.row_count));
        for (std::uint32_t r = 0; r < batch.row_count; ++r) {
            const auto label = static_cast<double>(batch.labels[r]);
            const double p = std::clamp(static_cast<double>(scores[r]), 1e-9, 1 - 1e-9);
            whole.add(p, label);
            if (begin + r >= rows.row_count / 2) half.add(p, label);
        }
    }
    return {.whole = *whole.log_loss(), .second_half = *half.log_loss()};
}

}  // namespace millrace::ml
