// Refuses options of learners by the inequality that they break.
//
// Threads:    any.
// Failure:    kInvalidOption: "alpha must be > 0, is -1".

#pragma once

#include <cmath>
#include <string_view>

#include "runtime/base/status.h"

namespace millrace::ml {

[[nodiscard]] inline Status require_positive(std::string_view option, double value) {
    if (value > 0 && std::isfinite(value)) return {};
    return fail(Code::kInvalidOption, "{} must be > 0 and finite, is {}", option, value);
}

[[nodiscard]] inline Status require_not_negative(std::string_view option, double value) {
    if (value >= 0 && std::isfinite(value)) return {};
    return fail(Code::kInvalidOption, "{} must be >= 0 and finite, is {}", option, value);
}

// low < value < high
[[nodiscard]] inline Status require_between(std::string_view option, double value, double low,
                                            double high) {
    if (value > low && value < high) return {};
    return fail(Code::kInvalidOption, "{} must be > {} and < {}, is {}", option, low, high, value);
}

}  // namespace millrace::ml
