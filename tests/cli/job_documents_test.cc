#include "runtime/cli/job_documents.h"

#include <catch2/catch.hpp>

#include "proto/job.pb.h"
#include "tests/cli/captured_output.h"

namespace millrace::cli {
namespace {

using Catch::Contains;

constexpr const char* kGood =
    "version: 1\nname: copy\n"
    "sources:\n  rows: { type: generate, preset: sequence, limit: \"${ROWS:-10}rows\" }\n"
    "sinks:\n  out: { type: discard, from: rows }\n";
constexpr const char* kBad =
    "version: 1\nname: copy\n"
    "sources:\n  rows: { type: generate, preset: sequence }\n"
    "sinks:\n  out: { type: discard, from: raws }\n";

struct Outcome {
    ExitCode code{};
    Printed printed;
};

Outcome run(ExitCode (*verb)(const CommandLine&, const jobfile::ExpressionChecker*),
            const CommandLine& line) {
    Outcome outcome;
    outcome.printed = printed_by([&] { outcome.code = verb(line, nullptr); });
    return outcome;
}

TEST_CASE("validate says that a good file is valid, and exits with 0", "[cli]") {
    const support::TempDir folder;
    const Outcome outcome = run(validate_files, {.files = {folder.write("a.yaml", kGood)}});
    REQUIRE(outcome.code == ExitCode::kDone);
    REQUIRE_THAT(outcome.printed.out, Contains("a.yaml: valid"));
}

TEST_CASE("validate shows line, column and fix of a mistake, and exits with 78", "[cli]") {
    const support::TempDir folder;
    const std::string path = folder.write("a.yaml", kBad);
    SECTION("for people, on standard error") {
        const Outcome outcome = run(validate_files, {.files = {path}});
        REQUIRE(outcome.code == ExitCode::kBadConfig);
        REQUIRE_THAT(outcome.printed.error, Contains("a.yaml:6:") && Contains("raws") &&
                                                Contains("rows") && Contains("E0"));
        REQUIRE(outcome.printed.out.empty());
    }
    SECTION("for programs, as JSON on standard output") {
        const Outcome outcome = run(validate_files, {.output = OutputForm::kJson, .files = {path}});
        REQUIRE(outcome.code == ExitCode::kBadConfig);
        REQUIRE_THAT(outcome.printed.out, Contains("\"line\"") && Contains("\"code\""));
    }
    SECTION("for GitHub, as annotations") {
        const Outcome outcome = run(validate_files, {.files = {path}, .format = "github"});
        REQUIRE_THAT(outcome.printed.out, Contains("::error file="));
    }
}

TEST_CASE("validate goes through all files and keeps the worst exit code", "[cli]") {
    const support::TempDir folder;
    const Outcome outcome =
        run(validate_files,
            {.files = {folder.write("bad.yaml", kBad), folder.write("good.yaml", kGood)}});
    REQUIRE(outcome.code == ExitCode::kBadConfig);
    REQUIRE_THAT(outcome.printed.out, Contains("good.yaml: valid"));
}

TEST_CASE("A job file that is not there is named, and exits with 78", "[cli]") {
    const Outcome outcome = run(render_job, {.files = {"/nowhere/job.yaml"}});
    REQUIRE(outcome.code == ExitCode::kBadConfig);
    REQUIRE_THAT(outcome.printed.error,
                 Contains("/nowhere/job.yaml") && Contains("No such file or directory"));
}

TEST_CASE("Two job files are not one job", "[cli]") {
    const Outcome outcome = run(render_job, {.files = {"a.yaml", "b.yaml"}});
    REQUIRE(outcome.code == ExitCode::kUsage);
    REQUIRE_THAT(outcome.printed.error, Contains("-f"));
}

TEST_CASE("render prints the job with its defaults, layers and assignments", "[cli]") {
    const support::TempDir folder;
    const std::string base = folder.write("base.yaml", kGood);
    const std::string layer = folder.write("prod.yaml", "name: copy-prod\n");
    const Outcome outcome =
        run(render_job, {.layers = {base, layer}, .assignments = {"sources.rows.limit=25rows"}});
    REQUIRE(outcome.code == ExitCode::kDone);
    REQUIRE_THAT(outcome.printed.out, Contains("copy-prod") && Contains("25") &&
                                          Contains("stop_if_over") && !Contains("ROWS"));
}

TEST_CASE("explain tells a job's graph and slots, or an error code", "[cli]") {
    const support::TempDir folder;
    const Outcome job = run(explain, {.files = {folder.write("a.yaml", kGood)}});
    REQUIRE(job.code == ExitCode::kDone);
    REQUIRE_THAT(job.printed.out, Contains("job copy") && Contains("needs 1 slots") &&
                                      Contains("source rows (1)") &&
                                      Contains("sink out from rows"));
    const Outcome code = run(explain, {.files = {"E001"}});
    REQUIRE(code.code == ExitCode::kDone);
    REQUIRE_THAT(code.printed.out, Contains("not YAML"));
    REQUIRE(run(explain, {.files = {"E999"}}).code == ExitCode::kBadConfig);
}

TEST_CASE("read_job gives the job and the text that a server gets", "[cli]") {
    const support::TempDir folder;
    ::setenv("ROWS", "77", 1);
    const auto validation = read_job({.files = {folder.write("a.yaml", kGood)}}, nullptr);
    ::unsetenv("ROWS");
    REQUIRE(validation);
    REQUIRE(validation->job->sources(0).generate().limit_rows() == 77);
    REQUIRE_THAT(validation->resolved, Contains("77") && !Contains("ROWS"));
}

}  // namespace
}  // namespace millrace::cli
