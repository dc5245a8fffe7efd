#include "runtime/process/document_reader.h"

#include <iterator>

#include "runtime/jobfile/submitted.h"
#include "runtime/jobfile/validate.h"

namespace millrace::process {

web::ReadDocument document_reader(const cli::CommandLine& line, std::vector<std::string> clusters,
                                  const jobfile::ExpressionChecker* expressions) {
    jobfile::SubmitRules rules{.inline_kafka_allowed = line.allow_inline_kafka,
                               .clusters = std::move(clusters),
                               .socket_addresses = line.socket_addresses};
    if (!line.file_root.empty()) rules.file_roots.push_back(line.file_root);
    return [rules, expressions](const std::string& document) {
        jobfile::Validation validation =
            jobfile::validate({{.name = "job", .text = document}}, {.expressions = expressions});
        if (validation.job != nullptr) {
            auto refused = jobfile::check_submitted(*validation.job, validation.places, rules);
            std::move(refused.begin(), refused.end(), std::back_inserter(validation.diagnostics));
        }
        web::DocumentOutcome outcome;
        outcome.is_valid = validation.job != nullptr && !config::has_errors(validation.diagnostics);
        if (outcome.is_valid) outcome.job = *validation.job;
        outcome.diagnostics_json =
            config::report(validation.diagnostics, validation.sources, config::ReportForm::kJson);
        return outcome;
    };
}

}  // namespace millrace::process
