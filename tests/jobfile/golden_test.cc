// Every mistake that has a code has a file in tests/golden/jobfile, and the exact text that a user
// sees. A file may begin with directives: `#! submitted`, `#! set A=B`, `#! layer FILE`, or
// `#! world CODE`, with which everything outside answers.
//
// MILLRACE_UPDATE_GOLDEN=1 writes the texts anew, for review.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>
#include <fmt/core.h>

#include "proto/job.pb.h"
#include "runtime/jobfile/error_codes.h"
#include "runtime/jobfile/submitted.h"
#include "runtime/jobmanager/job_findings.h"
#include "tests/jobfile/job_text.h"

namespace millrace::jobfile {
namespace {

namespace fs = std::filesystem;

const std::string kFolder = "tests/golden/jobfile";

std::vector<std::string> golden_names() {
    std::vector<std::string> names;
    for (const auto& entry :
         fs::directory_iterator(std::string(MILLRACE_SOURCE_DIR) + "/" + kFolder)) {
        if (entry.path().extension() == ".yaml") {
            names.push_back(entry.path().stem().string());
        }
    }
    std::ranges::sort(names);
    return names;
}

struct Directives {
    bool submitted = false;
    std::optional<Code> world;
    std::vector<JobText> layers;
    ValidateOptions options;
};

Code code_named(const std::string& name) {
    for (const Code code : {Code::kNotFound, Code::kUnavailable, Code::kPermissionDenied}) {
        if (to_string(code) == name) return code;
    }
    FAIL("no such code: " << name);
    return Code::kInternal;
}

// An outer world that has one answer.
struct World final : jobmanager::SplitDirectory {
    explicit World(Code code) : answer{code, "what the cluster says. Hint: what to do"} {}

    Result<std::vector<proto::SplitAssignment>> resolve(const proto::Job&, int) override {
        return std::unexpected(answer);
    }
    Result<std::vector<proto::SplitAssignment>> look_again(const proto::Job&, int) override {
        return std::unexpected(answer);
    }
    Status check_sink(const proto::Job&, int) override { return std::unexpected(answer); }
    Result<std::vector<proto::KafkaConnection>> connections(const proto::Job&) override {
        return std::vector<proto::KafkaConnection>{};
    }

    const Error answer;
};

Directives read_directives(const std::string& name, const std::string& text) {
    Directives result;
    result.options.variables = no_variables;
    result.layers.push_back({name + ".yaml", text});
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line) && line.starts_with("#! ");) {
        std::istringstream words(line.substr(3));
        std::string word;
        std::string value;
        words >> word >> value;
        if (word == "submitted") {
            result.submitted = true;
            result.options.variables = nullptr;
        } else if (word == "world") {
            result.world = code_named(value);
        } else if (word == "set") {
            result.options.assignments.push_back(value);
        } else if (word == "layer") {
            result.layers.push_back(
                {value, read_source_file(fmt::format("{}/{}", kFolder, value))});
        } else {
            FAIL("no such directive: " << line);
        }
    }
    return result;
}

Validation validate_golden(const std::string& name) {
    const FieldOnlyChecker checker;
    Directives directives = read_directives(name, read_source_file(kFolder + "/" + name + ".yaml"));
    directives.options.expressions = &checker;
    Validation result = validate(directives.layers, directives.options);
    if (directives.submitted && result.job) {
        const SubmitRules rules{.clusters = {"default", "ads"},
                                .file_roots = {"/srv/millrace"},
                                .resolve_path = [](const std::string& path) {
                                    return fs::path(path).lexically_normal().string();
                                }};
        for (auto& diagnostic : check_submitted(*result.job, result.places, rules)) {
            result.diagnostics.push_back(std::move(diagnostic));
        }
        config::sort_by_place(result.diagnostics);
    }
    if (directives.world && result.job) {
        World world(*directives.world);
        const auto found = jobmanager::look_around(world, *result.job);
        REQUIRE_FALSE(found);
        for (const jobmanager::JobProblem& problem : found.error().problems) {
            result.diagnostics.push_back({.code = problem.code,
                                          .mark = result.places.value_of(problem.path),
                                          .path = problem.path,
                                          .message = problem.message,
                                          .fix = problem.fix});
        }
        config::sort_by_place(result.diagnostics);
    }
    return result;
}

std::string expected_path(const std::string& name) {
    return std::string(MILLRACE_SOURCE_DIR) + "/" + kFolder + "/" + name + ".txt";
}

TEST_CASE("every golden job file gives its golden errors", "[jobfile][golden]") {
    const char* update = std::getenv("MILLRACE_UPDATE_GOLDEN");
    for (const std::string& name : golden_names()) {
        CAPTURE(name);
        const std::string report = report_text(validate_golden(name));
        if (update != nullptr) {
            std::ofstream(expected_path(name)) << report;
        }
        CHECK(report == read_source_file(fmt::format("{}/{}.txt", kFolder, name)));
    }
}

TEST_CASE("every error or warning of a readable file says how to mend it", "[jobfile][golden]") {
    for (const std::string& name : golden_names()) {
        for (const config::Diagnostic& diagnostic : validate_golden(name).diagnostics) {
            CAPTURE(name, diagnostic.code, diagnostic.message);
            CHECK((diagnostic.code < "E010" || !diagnostic.fix.empty()));
        }
    }
}

TEST_CASE("every code has a golden file that gives it, and no other error", "[jobfile][golden]") {
    for (const ErrorCode& code : error_codes()) {
        const std::string name(code.code);
        CAPTURE(name);
        REQUIRE(fs::exists(expected_path(name)));
        const Validation result = validate_golden(name);
        REQUIRE_FALSE(result.diagnostics.empty());
        for (const config::Diagnostic& diagnostic : result.diagnostics) {
            CHECK(diagnostic.code == name);
        }
    }
}

// The codes that stand in quotes in the sources of a folder.
std::set<std::string> codes_in(const std::string& folder) {
    const std::regex quoted("\"([EW][0-9]{3})\"");
    std::set<std::string> codes;
    for (const auto& entry :
         fs::directory_iterator(std::string(MILLRACE_SOURCE_DIR) + "/" + folder)) {
        if (entry.path().extension() != ".cc" || entry.path().stem() == "error_codes") {
            continue;
        }
        const std::string text = read_source_file(folder + "/" + entry.path().filename().string());
        for (std::sregex_iterator it(text.begin(), text.end(), quoted), end; it != end; ++it) {
            codes.insert((*it)[1]);
        }
    }
    return codes;
}

TEST_CASE("the table has every code that the sources give, and no other", "[jobfile][golden]") {
    std::set<std::string> given = codes_in("runtime/jobfile");
    given.merge(codes_in("runtime/config"));
    given.merge(codes_in("runtime/jobmanager"));
    std::set<std::string> listed;
    for (const ErrorCode& code : error_codes()) {
        listed.emplace(code.code);
    }
    REQUIRE(given == listed);
}

}  // namespace
}  // namespace millrace::jobfile
