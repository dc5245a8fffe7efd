// The losses of the linear learners: what a margin predicts, and how the loss moves with it.
//
//   logistic       p = 1/(1 + e^-m)   l = -ln p or -ln(1 - p)   dl/dm = p - y      y in {0, 1}
//   squared        p = m              l = (p - y)^2             dl/dm = 2 (p - y)
//   half_squared   p = m              l = (p - y)^2 / 2         dl/dm = p - y
//
// Libraries differ by that factor 2 without a word; here it has a name.
//
// Threads:    any.
// Failure:    none.

#pragma once

#include <cstdint>
#include <string_view>

#include "ml/fixed_math.h"
#include "ml/label_rule.h"

namespace millrace::ml {

enum class Loss : std::uint8_t { kLogistic, kSquared, kHalfSquared };

[[nodiscard]] inline std::string_view to_string(Loss loss) {
    switch (loss) {
        case Loss::kLogistic:
            return "logistic";
        case Loss::kSquared:
            return "squared";
        case Loss::kHalfSquared:
            return "half_squared";
    }
    return "?";
}

[[nodiscard]] inline LabelRule label_rule_of(Loss loss) {
    return loss == Loss::kLogistic ? LabelRule::kBinary : LabelRule::kFinite;
}

[[nodiscard]] inline double predicted(Loss loss, double margin) {
    return loss == Loss::kLogistic ? sigmoid(margin) : margin;
}

// dl/dm at prediction p.
[[nodiscard]] inline double loss_derivative(Loss loss, double p, double y) {
    return loss == Loss::kSquared ? 2 * (p - y) : p - y;
}

}  // namespace millrace::ml
