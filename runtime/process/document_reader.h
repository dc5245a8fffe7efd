// Reads job documents that come over the network: strict, untrusted, without variables.
//
// Threads:    any.
// Failure:    diagnostics as JSON.

#pragma once

#include <string>

#include "runtime/cli/command_line.h"
#include "runtime/jobfile/expression_checker.h"
#include "runtime/web/rest_api.h"

namespace millrace::process {

// `clusters`: the Kafka connections that the server offers.
[[nodiscard]] web::ReadDocument document_reader(const cli::CommandLine& line,
                                                std::vector<std::string> clusters,
                                                const jobfile::ExpressionChecker* expressions);

}  // namespace millrace::process
