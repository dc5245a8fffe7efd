// Scores rows of a linear model from the serving view, the way its learner scored them.
//
// The margin is summed in the order in which training sums it, so that a view just published gives
// the same bits as the table.
//
// Threads:    as ServingView says.
// Failure:    none.

#pragma once

#include <algorithm>

#include "ml/learner_kernel.h"
#include "ml/loss.h"

namespace millrace::ml {

// The prediction for a margin, clipped to the labels seen if the learner does so.
[[nodiscard]] inline double clipped_prediction(Loss loss, double margin, bool clip,
                                               const ModelScalars& scalars) {
    const double p = predicted(loss, margin);
    if (!clip) return p;
    return std::clamp(p, static_cast<double>(scalars.label_low),
                      static_cast<double>(scalars.label_high));
}

class LinearScore {
  public:
    LinearScore(const ServingView& view, Loss loss, bool clip, const ModelScalars& scalars)
        : view_(view), loss_(loss), clip_(clip), scalars_(scalars) {}

    template <bool kOnes>
    [[nodiscard]] Scored score(const Row<kOnes>& row) const {
        const float margin = interleaved_sum<float>(
            row.count, [&](std::uint32_t i) { return view_.weight(row.slots[i]) * row.value(i); });
        const double p = clipped_prediction(loss_, static_cast<double>(margin), clip_, scalars_);
        return {.score = static_cast<float>(p)};
    }

  private:
    const ServingView& view_;
    const Loss loss_;
    const bool clip_;
    const ModelScalars scalars_;
};

inline void predict_linear(const ServingView& view, Loss loss, bool clip, const SparseRows& rows,
                           std::span<float> scores, std::span<float> variances) {
    predict_with(
        [&](const ModelScalars& scalars) { return LinearScore(view, loss, clip, scalars); }, view,
        rows, scores, variances);
}

}  // namespace millrace::ml
