#include "tests/jobfile/job_text.h"

#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "proto/job.pb.h"
#include "runtime/base/check.h"

namespace millrace::jobfile {

std::string read_source_file(const std::string& path) {
    std::ifstream in(std::string(MILLRACE_SOURCE_DIR) + "/" + path, std::ios::binary);
    MILLRACE_CHECK(in.good());
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

std::optional<std::string> no_variables(std::string_view /*name*/) { return std::nullopt; }

Validation validate_text(const std::string& text) {
    const FieldOnlyChecker checker;
    return validate({{"job.yaml", text}}, {.variables = no_variables, .expressions = &checker});
}

std::string report_text(const Validation& validation) {
    return config::report(validation.diagnostics, validation.sources, config::ReportForm::kText);
}

CheckedExpression FieldOnlyChecker::check(std::string_view text, const RecordShape& input) const {
    const std::string_view name = text.substr(0, text.find(' '));
    const ShapeField* field = input.find(name);
    if (field == nullptr) {
        return {.faults = {{.offset = 0,
                            .length = name.size(),
                            .message = fmt::format("there is no field \"{}\"", name),
                            .fix = "use a field that is there"}}};
    }
    const bool compared = text.find('>') != std::string_view::npos;
    return {.type = compared ? ValueType::kBool : field->type, .list = field->list && !compared};
}

}  // namespace millrace::jobfile
