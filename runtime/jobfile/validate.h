// Reads a job file, checks it and completes it: phases 1 to 4.
//
// 1 syntax (E001-E009), 2 shape (E010-E039), 3 references (E040-E069), 4 meaning (E070-E099). One
// run reports all that the four find, sorted by place: each checks what the ones before it found
// sound, and says nothing that follows from their errors. Only a text that is not YAML ends it. The
// job that comes out has all defaults filled in; `places` tells what was written from what was not.
// Phase 5, what a server allows, is submitted.h.
//
// Threads:    any; no shared state.
// Ownership:  `expressions` is borrowed for the call.
// Limits:     config::YamlLimits for each layer; kLayersMax layers and assignments.
// Failure:    diagnostics; `job` is null if one of them is an error.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/config/diagnostic.h"
#include "runtime/config/variables.h"
#include "runtime/jobfile/expression_checker.h"
#include "runtime/jobfile/places.h"

namespace millrace::proto {
class Job;
}

namespace millrace::jobfile {

inline constexpr std::size_t kLayersMax = 32;

// One file of `-f base.yaml -f prod.yaml`; a job that was sent is one too.
struct JobText {
    std::string name;  // As shown in messages: "ctr.yaml".
    std::string text;
};

struct ValidateOptions {
    // Where `${VAR}` is filled from. Empty: jobs that came over the network, where a variable is an
    // error (E104).
    config::VariableLookup variables = {};
    std::vector<std::string> assignments = {};       // `--set path=value`, in order.
    const ExpressionChecker* expressions = nullptr;  // Absent: expressions are not checked.
    bool deny_warnings = false;                      // Warnings are errors.
    std::vector<std::string> allowed_warnings = {};  // Codes that are not reported.
};

struct Validation {
    std::unique_ptr<proto::Job> job;  // Complete; null if there are errors.
    std::vector<config::Diagnostic> diagnostics;
    config::SourceTexts sources;
    Places places;
    // The file after layers and variables, for a server; empty if it could not be read.
    std::string resolved;

    Validation();
    ~Validation();
    Validation(Validation&&) noexcept;
    Validation& operator=(Validation&&) noexcept;
};

// REQUIRES: `layers` is not empty.
[[nodiscard]] Validation validate(const std::vector<JobText>& layers,
                                  const ValidateOptions& options);

}  // namespace millrace::jobfile
