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

TEST_CASE("a job file that is too long is refused in the form that is asked for", "[cli]") {
    const support::TempDir folder;
    const std::string path = folder.write("long.yaml", std::string((1 << 20) + 1, '#'));
    SECTION("for people") {
        const Outcome outcome = run(validate_files, {.files = {path}});
        REQUIRE(outcome.code == ExitCode::kBadConfig);
        REQUIRE_THAT(outcome.printed.error,
                     Contains("long.yaml: error: the file has more than 1048576 bytes [E003]"));
    }
    SECTION("for programs") {
        const Outcome outcome = run(validate_files, {.output = OutputForm::kJson, .files = {path}});
        REQUIRE(outcome.code == ExitCode::kBadConfig);
        REQUIRE_THAT(outcome.printed.out, Contains(R"("code":"E003")") &&
                                              Contains(R"("message":"the file has more than )") &&
                                              Contains("long.yaml"));
        REQUIRE(outcome.printed.error.empty());
    }
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

// One TaskManager with numbers that are easy to find again.
Result<MemorySums> easy_sums(const CommandLine&, const proto::Job&) {
    constexpr std::uint64_t kMiB = 1 << 20;
    TaskManagerSum sum{.slots = 2,
                       .slot_bytes_needed = 14 * kMiB,
                       .slot_bytes = 17 * kMiB,
                       .window_bytes = 64 << 10,
                       .managed_bytes = 34 * kMiB,
                       .buffers = 100,
                       .buffer_bytes = 32 << 10,
                       .task_bytes = 200 * kMiB};
    sum.models = {{.name = "m",
                   .bytes = 20 * kMiB,
                   .table_bytes = 16 * kMiB,
                   .view_bytes = 3 * kMiB,
                   .bits = 22}};
    sum.tasks = {{.name = "learn",
                  .count = 2,
                  .working_set_bytes = 4 * kMiB,
                  .buffers_required = 32,
                  .buffers_target = 50}};
    sum.clients = {{.role = "consumer", .nodes = {"a", "b"}, .bytes = 64 * kMiB},
                   {.role = "producer", .nodes = {"out"}, .bytes = 32 * kMiB}};
    return MemorySums{.slots_needed = 2,
                      .slots_together = 1,
                      .taskmanager_count = 1,
                      .process_bytes = 1728 * kMiB,
                      .slots = 4,
                      .taskmanagers = {sum}};
}

ExitCode explain_easily(const CommandLine& line, const jobfile::ExpressionChecker* expressions) {
    return explain(line, expressions, easy_sums);
}

TEST_CASE("explain prints the sums of memory", "[cli]") {
    const support::TempDir folder;
    const std::string file = folder.write("a.yaml", kGood);
    SECTION("for people") {
        const std::string out = run(explain_easily, {.files = {file}}).printed.out;
        CHECK_THAT(out, Contains("assumed: 1 TaskManager of 1728 MiB with 4 slots\n"));
        CHECK_THAT(out, Contains("memory in TaskManager 1 of 1\n"));
        CHECK_THAT(out, Contains("managed memory   28.0 of 34.0 MiB; the fullest of its 2 slots "
                                 "14.00 of 17.00"));
        CHECK_THAT(out, Contains("models 20.0 MiB") && Contains("m 20.0"));
        CHECK_THAT(out, Contains("m: table 16.0 MiB, view 3.0 MiB; a new key shares its cell with "
                                 "odds of 21 % at 1,000,000 keys"));
        CHECK_THAT(out, Contains("2 x 4.00 MiB  learn  (32 network buffers, 50 at best)"));
        CHECK_THAT(out, Contains("network buffers  32 of 100 (1.00 MiB), 50 at best"));
        CHECK_THAT(out, Contains("task memory      96.0 of 200.0 MiB"));
        CHECK_THAT(out, Contains("consumer 64.0 MiB (a, b)"));
        CHECK_THAT(out, !Contains("refused"));
    }
    SECTION("for programs") {
        const Outcome outcome = run(explain_easily, {.output = OutputForm::kJson, .files = {file}});
        REQUIRE(outcome.code == ExitCode::kDone);
        CHECK_THAT(outcome.printed.out,
                   Contains(R"("job":"copy")") && Contains(R"("required":32)") &&
                       Contains(R"("needed":29360128)") && Contains(R"("needed":100663296)"));
        CHECK_THAT(outcome.printed.out, !Contains("source"));
    }
}

TEST_CASE("explain of a job that would be refused says why and exits with 78", "[cli]") {
    const support::TempDir folder;
    const auto refused = [](const CommandLine& line, const jobfile::ExpressionChecker* checker) {
        return explain(line, checker, [](const CommandLine& of, const proto::Job& job) {
            auto sums = easy_sums(of, job);
            sums->taskmanagers[0].refusal = "too little of it";
            return sums;
        });
    };
    const std::string file = folder.write("a.yaml", kGood);
    SECTION("for people") {
        const Outcome outcome = run(refused, {.files = {file}});
        REQUIRE(outcome.code == ExitCode::kBadConfig);
        REQUIRE_THAT(outcome.printed.out, Contains("refused: too little of it"));
        REQUIRE_THAT(outcome.printed.error, Contains("job copy would be refused"));
    }
    SECTION("for programs") {
        const Outcome outcome = run(refused, {.output = OutputForm::kJson, .files = {file}});
        REQUIRE(outcome.code == ExitCode::kBadConfig);
        REQUIRE_THAT(outcome.printed.out, Contains(R"("is-refused":true)") &&
                                              Contains(R"("refusal":"too little of it")"));
    }
}

TEST_CASE("explain says what it assumes of TaskManagers, and counts those without a task",
          "[cli]") {
    const support::TempDir folder;
    const auto assumed = [](const CommandLine& line, const jobfile::ExpressionChecker* checker) {
        return explain(line, checker, [](const CommandLine& of, const proto::Job& job) {
            auto sums = easy_sums(of, job);
            sums->taskmanager_count = 3;
            sums->has_assumed_slots = true;
            sums->taskmanagers[0].number = 2;
            return sums;
        });
    };
    const Outcome outcome = run(assumed, {.files = {folder.write("a.yaml", kGood)}});
    REQUIRE(outcome.code == ExitCode::kDone);
    CHECK_THAT(outcome.printed.out,
               Contains("assumed: 3 TaskManagers of 1728 MiB with 4 slots each, as many as the job "
                        "needs; a cluster's own number is given by -D "
                        "taskmanager.numberOfTaskSlots=N\n"));
    CHECK_THAT(outcome.printed.out, Contains("memory in TaskManager 2 of 3\n"));
    CHECK_THAT(outcome.printed.out, Contains("2 of 3 TaskManagers would get no task of this job"));
}

TEST_CASE("collision odds are those that the reference prints", "[cli]") {
    REQUIRE(collision_odds(1e6, 22) == Approx(0.21).margin(0.005));
    REQUIRE(collision_odds(1e6, 24) == Approx(0.06).margin(0.005));
}

TEST_CASE("explain exits with 78 when its settings cannot be", "[cli]") {
    const support::TempDir folder;
    const auto refused = [](const CommandLine& line, const jobfile::ExpressionChecker* checker) {
        return explain(line, checker, [](const CommandLine&, const proto::Job&) {
            return Result<MemorySums>(fail(Code::kInvalidOption, "no such key\n"));
        });
    };
    const Outcome outcome = run(refused, {.files = {folder.write("a.yaml", kGood)}});
    REQUIRE(outcome.code == ExitCode::kBadConfig);
    REQUIRE(outcome.printed.error == "millrace: no such key\n");
}

TEST_CASE("explain tells a job's graph and slots, or an error code", "[cli]") {
    const support::TempDir folder;
    const Outcome job = run(explain_easily, {.files = {folder.write("a.yaml", kGood)}});
    REQUIRE(job.code == ExitCode::kDone);
    REQUIRE_THAT(job.printed.out, Contains("job copy") &&
                                      Contains("needs 2 slots, 1 of them of one TaskManager\n") &&
                                      Contains("source rows (1)") &&
                                      Contains("sink out from rows"));
    const Outcome code = run(explain_easily, {.files = {"E001"}});
    REQUIRE(code.code == ExitCode::kDone);
    REQUIRE_THAT(code.printed.out, Contains("not YAML"));
    REQUIRE(run(explain_easily, {.files = {"e001"}}).printed.out == code.printed.out);
}

TEST_CASE("explain of a code that does not exist names the nearest and exits with 64", "[cli]") {
    const Outcome outcome = run(explain_easily, {.files = {"E999"}});
    REQUIRE(outcome.code == ExitCode::kUsage);
    REQUIRE(outcome.printed.error == "millrace: there is no code E999. The nearest is E112\n");
    REQUIRE(outcome.printed.out.empty());
    // A file may have such a name.
    const support::TempDir folder;
    const std::string path = folder.write("E99", kGood);
    REQUIRE(run(explain_easily, {.files = {path}}).code == ExitCode::kDone);
}

TEST_CASE("A directory in place of a job file is called one", "[cli]") {
    const support::TempDir folder;
    const std::string directory = folder.path().string();
    const Outcome outcome = run(validate_files, {.files = {directory}});
    REQUIRE(outcome.code == ExitCode::kBadConfig);
    REQUIRE(outcome.printed.error ==
            "millrace: cannot read the job file " + directory + ": Is a directory\n");
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
