// Says which labels and weights a task accepts; every other row is skipped and counted.
//
// Labels are declared, never guessed: {0, 1} under a squared loss stays {0, 1}.
//
// Threads:    any.

#pragma once

#include <cmath>
#include <cstdint>

namespace millrace::ml {

enum class LabelRule : std::uint8_t {
    kBinary,  // 0 or 1
    kFinite,  // any finite number
};

[[nodiscard]] inline bool label_allowed(float label, LabelRule rule) {
    return rule == LabelRule::kBinary ? label == 0.0F || label == 1.0F : std::isfinite(label);
}

[[nodiscard]] inline bool weight_allowed(float weight) {
    return weight >= 0.0F && std::isfinite(weight);
}

}  // namespace millrace::ml
