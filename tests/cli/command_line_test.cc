#include "runtime/cli/command_line.h"

#include <map>
#include <optional>

#include <catch2/catch.hpp>

#include "tests/cli/captured_output.h"

namespace millrace::cli {
namespace {

using Catch::Contains;
using Words = std::vector<std::string>;

struct Parsed {
    std::variant<CommandLine, ExitCode> outcome;
    Printed printed;

    [[nodiscard]] const CommandLine& line() const { return std::get<CommandLine>(outcome); }
    [[nodiscard]] std::optional<ExitCode> code() const {
        const auto* code = std::get_if<ExitCode>(&outcome);
        return code == nullptr ? std::nullopt : std::optional(*code);
    }
};

Parsed parse(const Words& words) {
    std::vector<const char*> argv{"millrace"};
    for (const std::string& word : words) argv.push_back(word.c_str());
    Parsed parsed;
    parsed.printed = printed_by(
        [&] { parsed.outcome = parse_command_line(static_cast<int>(argv.size()), argv.data()); });
    return parsed;
}

const std::map<std::string, Verb> kVerbs{{"jobmanager", Verb::kJobManager},
                                         {"taskmanager", Verb::kTaskManager},
                                         {"local", Verb::kLocal},
                                         {"run", Verb::kRun},
                                         {"demo", Verb::kDemo},
                                         {"validate", Verb::kValidate},
                                         {"explain", Verb::kExplain},
                                         {"render", Verb::kRender},
                                         {"submit", Verb::kSubmit},
                                         {"list", Verb::kList},
                                         {"describe", Verb::kDescribe},
                                         {"cancel", Verb::kCancel},
                                         {"version", Verb::kVersion}};

TEST_CASE("Every verb is known, and its help ends well and says something", "[cli]") {
    const bool needs_file = GENERATE(true, false);
    for (const auto& [word, verb] : kVerbs) {
        CAPTURE(word);
        const bool has_file = word == "run" || word == "validate" || word == "explain" ||
                              word == "render" || word == "submit" || word == "describe" ||
                              word == "cancel";
        if (has_file != needs_file) continue;
        const Parsed parsed = parse(has_file ? Words{word, "x"} : Words{word});
        REQUIRE_FALSE(parsed.code());
        REQUIRE(parsed.line().verb == verb);
        const Parsed help = parse({word, "--help"});
        REQUIRE(help.code() == ExitCode::kDone);
        REQUIRE_THAT(help.printed.out, Contains("millrace " + word) || Contains("Usage"));
        REQUIRE(parse({word, "--no-such-flag"}).code() == ExitCode::kUsage);
    }
}

TEST_CASE("Help shows the default of every option that has one", "[cli]") {
    const auto [verb, shown] = GENERATE(table<std::string, Words>({
        {"jobmanager",
         {"--rest TEXT:HOST:PORT=127.0.0.1:8081", "--control TEXT:HOST:PORT=127.0.0.1:6123",
          "--heartbeat-timeout-ms INT:INT in [100 - 3600000]=10000", "=millrace", "=info", "=text",
          "none if absent"}},
        {"taskmanager",
         {"--jobmanager TEXT:HOST:PORT=127.0.0.1:6123", "--data TEXT:HOST:PORT=127.0.0.1:0",
          "--workers UINT:INT in [0 - 256]=0", "none if absent"}},
        {"local", {"=127.0.0.1:8081", "=127.0.0.1:6123", "=127.0.0.1:0"}},
        {"run", {"localhost:9092 if absent", "--workers UINT:INT in [0 - 256]=0"}},
        {"demo", {"--rate TEXT=5000/s", "--for INT:INT [UNIT]:INT in [0 - 86400]=0"}},
        {"explain", {"--taskmanagers UINT:INT in [1 - 1000]=1", "table|json=table"}},
        {"submit", {"--server TEXT:HOST:PORT=127.0.0.1:8081", "table|json=table"}},
    }));
    const std::string help = parse({verb, "--help"}).printed.out;
    CAPTURE(verb, help);
    for (const std::string& text : shown) CHECK_THAT(help, Contains(text));
}

TEST_CASE("Help of the whole lists every verb", "[cli]") {
    const Parsed help = parse({"--help"});
    REQUIRE(help.code() == ExitCode::kDone);
    for (const auto& [word, verb] : kVerbs) REQUIRE_THAT(help.printed.out, Contains("  " + word));
    REQUIRE(help.printed.error.empty());
}

TEST_CASE("A wrong command line exits with 64 and names the nearest verb", "[cli]") {
    const auto [word, nearest] = GENERATE(table<std::string, std::string>({
        {"sumbit", "submit"},
        {"taskmanger", "taskmanager"},
        {"descibe", "describe"},
        {"lst", "list"},
    }));
    const Parsed parsed = parse({word});
    REQUIRE(parsed.code() == ExitCode::kUsage);
    REQUIRE(parsed.printed.error ==
            "millrace: no such verb: " + word + ". Hint: did you mean `" + nearest + "`?\n");
    REQUIRE(parsed.printed.out.empty());
}

TEST_CASE("A command line without a verb that exists says where the verbs are", "[cli]") {
    const auto [words, said] = GENERATE(table<Words, std::string>({
        {Words{}, "a verb is missing. Hint: `millrace --help` lists the verbs"},
        {Words{"help"}, "no such verb: help. Hint: `millrace --help` lists the verbs"},
    }));
    const Parsed parsed = parse(words);
    REQUIRE(parsed.code() == ExitCode::kUsage);
    REQUIRE(parsed.printed.error == "millrace: " + said + "\n");
}

TEST_CASE("A word that a verb does not know is named, with the nearest flag", "[cli]") {
    const auto [words, said] = GENERATE(table<Words, std::string>({
        {{"list", "--sever", "x:1"}, "list has no flag --sever. Hint: did you mean `--server`?"},
        {{"run", "--layers=x", "f"}, "run has no flag --layers. Hint: did you mean `--layer`?"},
        {{"demo", "--zzz", "2s"},
         "demo has no flag --zzz. Hint: `millrace demo --help` shows its flags"},
        {{"jobmanager", "--file-root", "/no/such"},
         "jobmanager: --file-root: Directory does not exist: /no/such"},
        // Nobody connects to the process of `run` and `demo`, so neither asks where.
        {{"run", "--data", "x:1", "f"},
         "run has no flag --data. Hint: `millrace run --help` shows its flags"},
        {{"demo", "--allow-remote"},
         "demo has no flag --allow-remote. Hint: `millrace demo --help` shows its flags"},
        {{"list", "ctr"},
         "list has no use for `ctr`. Hint: `millrace list --help` shows its flags"},
        {{"describe"}, "describe: job is required"},
        {{"describe", ""}, "describe: job: not a job's name or id: ''"},
        {{"cancel", "a/b?c"}, "cancel: job: not a job's name or id: 'a/b?c'"},
        {{"explain", "f", "-D", "slots"}, "explain: --setting: not key=value: 'slots'"},
        {{"demo", "--rate", "5"}, "demo: --rate: not a rate: '5'. Hint: write it like 5000/s"},
        {{"list", "-o", "jsn"}, "list: --output: jsn not in {table,json}"},
    }));
    const Parsed parsed = parse(words);
    REQUIRE(parsed.code() == ExitCode::kUsage);
    REQUIRE(parsed.printed.error == "millrace: " + said + "\n");
}

TEST_CASE("The flag --version does what the verb does", "[cli]") {
    REQUIRE(parse({"--version"}).line().verb == Verb::kVersion);
    REQUIRE(parse({"version", "-o", "json"}).line().output == OutputForm::kJson);
}

TEST_CASE("A command line that lacks or repeats something exits with 64", "[cli]") {
    const Words words = GENERATE(values<Words>({
        {},
        {"list", "describe", "ctr"},
        {"describe"},
        {"cancel"},
        {"submit"},
        {"submit", "--wait"},
        {"validate", "--deny-warnings"},
        {"validate", "a.yaml", "-f", "b.yaml"},
        {"list", "--output", "xml"},
        {"taskmanager", "--workers", "-1"},
        {"taskmanager", "--workers", "257"},
        {"jobmanager", "--heartbeat-timeout-ms", "99"},
        {"jobmanager", "--log-format", "xml"},
        {"demo", "--for", "2 fortnights"},
        {"demo", "--for", "25h"},
        {"validate", "a.yaml", "--format", "gitlab"},
    }));
    CAPTURE(words);
    const Parsed parsed = parse(words);
    REQUIRE(parsed.code() == ExitCode::kUsage);
    REQUIRE_FALSE(parsed.printed.error.empty());
}

TEST_CASE("A process takes its flags", "[cli]") {
    SECTION("the TaskManager, a setting for each -D") {
        const CommandLine line = parse({"taskmanager", "-D", "taskmanager.numberOfTaskSlots=16",
                                        "-D", "a.b=c", "--jobmanager", "host:1", "--workers", "3"})
                                     .line();
        CHECK(line.settings == Words{"taskmanager.numberOfTaskSlots=16", "a.b=c"});
        CHECK(line.jobmanager == "host:1");
        CHECK(line.workers == 3);
        CHECK(line.data == "127.0.0.1:0");
    }
    SECTION("the JobManager") {
        const CommandLine line = parse({"jobmanager", "--kafka", "k:9092", "--rest", "127.0.0.1:0",
                                        "--control", "127.0.0.1:7", "--port-file", "p"})
                                     .line();
        CHECK(line.kafka == "k:9092");
        CHECK(line.server == "127.0.0.1:0");
        CHECK(line.jobmanager == "127.0.0.1:7");
        CHECK(line.port_file == "p");
        CHECK(line.heartbeat_timeout_ms == 10'000);
        CHECK_FALSE(line.allow_remote);
    }
    SECTION("a job's file may follow a setting") {
        const CommandLine line = parse({"run", "-D", "a=b", "--set", "x=y", "job.yaml"}).line();
        CHECK(line.settings == Words{"a=b"});
        CHECK(line.assignments == Words{"x=y"});
        CHECK(line.files == Words{"job.yaml"});
    }
    SECTION("layers of one job, in order") {
        const CommandLine line = parse({"submit", "-f", "base", "-f", "prod", "--wait"}).line();
        CHECK(line.layers == Words{"base", "prod"});
        CHECK(line.wait);
    }
    SECTION("the demo's time") {
        CHECK(parse({"demo"}).line().seconds == 0);
        CHECK(parse({"demo", "--for", "90"}).line().seconds == 90);
        CHECK(parse({"demo", "--for", "20s"}).line().seconds == 20);
        CHECK(parse({"demo", "--for", "2m"}).line().seconds == 120);
        CHECK(parse({"demo", "--for", "24h"}).line().seconds == 86'400);
    }
}

TEST_CASE("A flag beats its environment variable, which beats the default", "[cli]") {
    REQUIRE(parse({"list"}).line().server == "127.0.0.1:8081");
    ::setenv("MILLRACE_SERVER", "from-environment:1", 1);
    ::setenv("MILLRACE_REST", "of-another-verb:3", 1);
    const Parsed from_environment = parse({"list"});
    const Parsed from_flag = parse({"list", "--server", "from-flag:2"});
    ::unsetenv("MILLRACE_SERVER");
    ::unsetenv("MILLRACE_REST");
    REQUIRE(from_environment.line().server == "from-environment:1");
    REQUIRE(from_flag.line().server == "from-flag:2");
}

}  // namespace
}  // namespace millrace::cli
