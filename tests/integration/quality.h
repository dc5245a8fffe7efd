// Metrics of scores against labels, worked out here from their definitions with the standard
// library alone, to compare the product's with.
//
// Threads:    pure functions.
// Failure:    none.

#pragma once

#include <span>

#include "tests/integration/records.h"

namespace millrace::integration {

// -mean of ln p of what happened.
[[nodiscard]] double log_loss(std::span<const AuditRow> rows);
// The log loss of always predicting the rows' own rate.
[[nodiscard]] double base_rate_log_loss(std::span<const AuditRow> rows);
// Sum of scores over sum of labels.
[[nodiscard]] double calibration(std::span<const AuditRow> rows);
// The chance that a positive scores above a negative, ties counting half: by ranks, exactly.
[[nodiscard]] double auc(std::span<const AuditRow> rows);

}  // namespace millrace::integration
