// Lets the validator of job files check expressions with the language of operators/expression.
//
// Threads:    any; no state.
// Failure:    as jobfile::ExpressionChecker says.

#pragma once

#include <string_view>

#include "runtime/jobfile/expression_checker.h"

namespace millrace::process {

class ExpressionAdapter final : public jobfile::ExpressionChecker {
  public:
    [[nodiscard]] jobfile::CheckedExpression check(
        std::string_view text, const jobfile::RecordShape& input) const override;
};

}  // namespace millrace::process
