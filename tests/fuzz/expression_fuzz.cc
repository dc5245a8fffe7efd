// Any bytes as an expression: no crash, no endless work; a fault has a place in the text, says what
// it is and how to mend it; a program can be evaluated.

#include <cstdint>
#include <string_view>

#include "operators/expression/compiler.h"
#include "operators/expression/evaluator.h"
#include "operators/expression/parser.h"
#include "runtime/base/check.h"
#include "tests/operators/expression_row.h"

namespace {

using namespace millrace;

void check_fault(const operators::ExpressionFault& fault, std::string_view text) {
    MILLRACE_CHECK_LE(fault.place.offset, text.size());
    MILLRACE_CHECK(!fault.message.empty());
    MILLRACE_CHECK(!fault.fix.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static operators::test::ExpressionRow row;
    static const auto fields = operators::test::fields_of(*row.batch()->schema());
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    auto compiled = operators::compile_expression(text, fields);
    MILLRACE_CHECK(compiled.faults.empty() == compiled.program.has_value());
    for (const operators::ExpressionFault& fault : compiled.faults) check_fault(fault, text);
    if (!compiled.program) return 0;
    operators::ExpressionEvaluator evaluator(*std::move(compiled.program));
    MILLRACE_CHECK(evaluator.open(row.world().slot(), row.world().owner()).has_value());
    (void)evaluator.evaluate(*row.batch());
    return 0;
}
