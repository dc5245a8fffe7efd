// One row with a field of every type, and what an expression makes of it, for tests.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "operators/expression/compiler.h"
#include "operators/expression/evaluator.h"
#include "runtime/data/batch.h"
#include "tests/support/slot_world.h"

namespace millrace::operators::test {

// i = 7 (int32), j = -3, f = 0.5 (float32), g = 2.5, yes, no, none (a null bool), t = "bot",
// u (a null text), raw = bytes "ab", at = 1000 ms, ni and ng (a null int64 and float64),
// tags = a list, untagged = a null list, max and min = the limits of int64, predictions.m.score =
// 0.25, `odd name` = 9.
data::SchemaPtr row_schema();

// "null", "true", "-3", "2.5", "'bot'"; "list" for a list that is not null.
std::string printed(const ExpressionProgram& program, const ExpressionValues& values,
                    std::size_t row);

class ExpressionRow {
  public:
    ExpressionRow();
    // The value of an expression, printed; the first fault's message for one with faults.
    std::string value(std::string_view text);
    [[nodiscard]] const data::BatchPtr& batch() const { return batch_; }
    [[nodiscard]] millrace::test::SlotWorld& world() { return world_; }

  private:
    millrace::test::SlotWorld world_;
    data::BatchPtr batch_;
};

std::vector<ExpressionField> fields_of(const data::Schema& schema);

}  // namespace millrace::operators::test
