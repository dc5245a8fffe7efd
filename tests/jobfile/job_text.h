// Shared by the tests of the job file: reading files, validating texts, an expression checker that
// knows just enough to be called.

#pragma once

#include <optional>
#include <string>

#include "runtime/jobfile/validate.h"

namespace millrace::jobfile {

// The file's text, its path being relative to the source tree.
[[nodiscard]] std::string read_source_file(const std::string& path);

// No variable is set.
[[nodiscard]] std::optional<std::string> no_variables(std::string_view name);

// Validates one text named job.yaml without any variable set.
[[nodiscard]] Validation validate_text(const std::string& text);

// All diagnostics as text.
[[nodiscard]] std::string report_text(const Validation& validation);

// Understands `FIELD` and `FIELD > NUMBER`, and reports unknown fields.
class FieldOnlyChecker final : public ExpressionChecker {
  public:
    [[nodiscard]] CheckedExpression check(std::string_view text,
                                          const RecordShape& input) const override;
};

}  // namespace millrace::jobfile
