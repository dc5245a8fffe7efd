#include "runtime/cli/command_line.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include "runtime/base/nearest_word.h"
#include "runtime/config/units.h"
#include "runtime/net/address.h"

namespace millrace::cli {
namespace {

// In seconds.
const std::map<std::string, std::int64_t> kTimeUnits{{"s", 1}, {"m", 60}, {"h", 3600}};

// host:port, or a host where the flag has a port of its own.
CLI::Validator is_address() {
    return {[](const std::string& text) {
                const auto address = net::parse_address(text, 1);
                return address ? std::string() : address.error().message;
            },
            "HOST:PORT"};
}

CLI::Validator is_assignment() {
    return {[](const std::string& text) {
                return text.find('=') == std::string::npos || text.starts_with('=')
                           ? fmt::format("not key=value: '{}'", text)
                           : std::string();
            },
            ""};
}

// It becomes a part of a path: a name, an id, or the beginning of an id.
CLI::Validator is_job() {
    return {[](const std::string& text) {
                const auto is_legal = [](char c) {
                    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
                };
                return text.empty() || !std::ranges::all_of(text, is_legal)
                           ? fmt::format("not a job's name or id: '{}'", text)
                           : std::string();
            },
            ""};
}

CLI::Validator is_rate() {
    return {[](const std::string& text) {
                return config::parse_rate(text)
                           ? std::string()
                           : fmt::format("not a rate: '{}'. Hint: write it like 5000/s", text);
            },
            ""};
}

void add_document_flags(CLI::App& verb, CommandLine& line) {
    auto* files = verb.add_option("file", line.files, "Job file.");
    auto* layers = verb.add_option("-f,--layer", line.layers, "A layer of one job; later ones win.")
                       ->allow_extra_args(false);
    files->excludes(layers);
    verb.callback([&line] {
        if (line.files.empty() && line.layers.empty()) throw CLI::RequiredError("A job file");
    });
    verb.add_option("--set", line.assignments, "path=value, laid over the file.")
        ->allow_extra_args(false);
    verb.add_flag("--deny-warnings", line.deny_warnings, "Warnings are errors.");
    verb.add_option("--allow", line.allowed_warnings, "A warning not to report, for example W041.")
        ->allow_extra_args(false);
}

void add_output_flag(CLI::App& verb, CommandLine& line) {
    const auto set = [&line](const std::string& form) {
        line.output = form == "json" ? OutputForm::kJson : OutputForm::kTable;
    };
    verb.add_option_function<std::string>("-o,--output", set, "table or json.")
        ->check(CLI::IsMember({"table", "json"}))
        ->option_text("table|json=table");
}

void add_server_flag(CLI::App& verb, CommandLine& line) {
    verb.add_option("--server", line.server, "REST address of the JobManager.")
        ->capture_default_str()
        ->check(is_address())
        ->envname("MILLRACE_SERVER");
}

void add_setting_flag(CLI::App& verb, CommandLine& line) {
    verb.add_option("--config", line.config_file,
                    "File with the process configuration, millrace.yaml; none if absent. -D beats "
                    "it.")
        ->envname("MILLRACE_CONFIG");
    verb.add_option("-D,--setting", line.settings,
                    "key=value of the process configuration, for example "
                    "taskmanager.memory.process.size=1728m.")
        ->check(is_assignment())
        ->allow_extra_args(false);
}

void add_process_flags(CLI::App& verb, CommandLine& line) {
    add_setting_flag(verb, line);
    verb.add_option("--log-level", line.log_level, "debug, info, warn or error.")
        ->capture_default_str()
        ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
        ->envname("MILLRACE_LOG_LEVEL");
    verb.add_option("--log-format", line.log_format, "text or json.")
        ->capture_default_str()
        ->check(CLI::IsMember({"text", "json"}))
        ->envname("MILLRACE_LOG_FORMAT");
}

// Of processes that others connect to.
void add_cluster_flags(CLI::App& verb, CommandLine& line) {
    add_process_flags(verb, line);
    verb.add_option("--cluster", line.cluster, "Name of the cluster; both sides must agree.")
        ->capture_default_str();
    verb.add_flag("--allow-remote", line.allow_remote, "Listen beyond this machine, without TLS.");
}

void add_jobmanager_flags(CLI::App& verb, CommandLine& line) {
    verb.add_option("--rest", line.server, "Address of REST and health.")
        ->capture_default_str()
        ->check(is_address())
        ->envname("MILLRACE_REST");
    verb.add_option("--kafka", line.kafka, "Brokers of the cluster `default`; none if absent.")
        ->envname("KAFKA_BROKERS");
    verb.add_flag("--allow-inline-kafka", line.allow_inline_kafka,
                  "Jobs may name their own brokers.");
    verb.add_option("--socket-address", line.socket_addresses,
                    "host:port that socket sources may connect to; may be repeated. None if "
                    "absent.")
        ->check(is_address())
        ->allow_extra_args(false);
    verb.add_option("--file-root", line.file_root,
                    "Directory below which jobs may read and write files; none if absent.")
        ->check(CLI::ExistingDirectory);
    verb.add_option("--heartbeat-timeout-ms", line.heartbeat_timeout_ms,
                    "Silence after which a TaskManager is lost.")
        ->capture_default_str()
        ->check(CLI::Range(100, 3'600'000));
    verb.add_option("--port-file", line.port_file, "Where to write the ports once they are open.");
}

void add_worker_flag(CLI::App& verb, CommandLine& line) {
    verb.add_option("--workers", line.workers, "Worker threads; 0 is one a core.")
        ->capture_default_str()
        ->check(CLI::Range(0, 256));
}

void add_taskmanager_flags(CLI::App& verb, CommandLine& line) {
    verb.add_option("--data", line.data, "Address of the data plane; port 0 is any.")
        ->capture_default_str()
        ->check(is_address());
    add_worker_flag(verb, line);
}

void add_process_verbs(CLI::App& app, CommandLine& line) {
    CLI::App* jobmanager = app.add_subcommand("jobmanager", "Runs the JobManager.");
    add_cluster_flags(*jobmanager, line);
    add_jobmanager_flags(*jobmanager, line);
    jobmanager->add_option("--control", line.jobmanager, "Address for TaskManagers.")
        ->capture_default_str()
        ->check(is_address())
        ->envname("MILLRACE_CONTROL");

    CLI::App* taskmanager = app.add_subcommand("taskmanager", "Runs a TaskManager.");
    add_cluster_flags(*taskmanager, line);
    add_taskmanager_flags(*taskmanager, line);
    taskmanager->add_option("--jobmanager", line.jobmanager, "Control address of the JobManager.")
        ->capture_default_str()
        ->check(is_address())
        ->envname("MILLRACE_JOBMANAGER");
    taskmanager
        ->add_option("--metrics", line.metrics, "Address of health and metrics; none if absent.")
        ->check(is_address())
        ->envname("MILLRACE_METRICS");

    CLI::App* local = app.add_subcommand("local", "Runs both in one process.");
    add_cluster_flags(*local, line);
    add_jobmanager_flags(*local, line);
    add_taskmanager_flags(*local, line);
    local->add_option("--control", line.jobmanager, "Address for more TaskManagers.")
        ->capture_default_str()
        ->check(is_address());

    CLI::App* run = app.add_subcommand("run", "Runs a job here, in the foreground, until it ends.");
    add_document_flags(*run, line);
    add_process_flags(*run, line);
    add_worker_flag(*run, line);
    run->add_option("--kafka", line.kafka,
                    "Brokers of the cluster `default`; localhost:9092 if absent.")
        ->envname("KAFKA_BROKERS");

    CLI::App* demo =
        app.add_subcommand("demo", "Shows the ad click job at work; needs nothing else.");
    add_process_flags(*demo, line);
    demo->add_option("--kafka", line.kafka, "A real broker in place of the embedded one.")
        ->envname("KAFKA_BROKERS");
    demo->add_option("--for", line.seconds, "Time after which it ends, for example 2m; 0 runs on.")
        ->capture_default_str()
        ->transform(CLI::AsNumberWithUnit(kTimeUnits))
        ->check(CLI::Range(0, 86'400));
    demo->add_option("--rate", line.rate, "Impressions a second.")
        ->capture_default_str()
        ->check(is_rate());
    demo->add_option("--port-file", line.port_file, "Where to write the broker's address.");
    demo->footer(
        "The embedded broker keeps some 5 MiB a partition in memory, serves this machine only, and "
        "is gone\n"
        "with the process: no TLS, no access control, no compaction, no transactions.");
}

void add_client_verbs(CLI::App& app, CommandLine& line) {
    CLI::App* validate = app.add_subcommand("validate", "Checks job files; nothing is started.");
    add_document_flags(*validate, line);
    add_output_flag(*validate, line);
    validate->add_option("--format", line.format, "github writes annotations.")
        ->check(CLI::IsMember({"github"}));

    CLI::App* explain =
        app.add_subcommand("explain", "Explains a job's graph and memory, or an error code.");
    add_document_flags(*explain, line);
    add_output_flag(*explain, line);
    add_setting_flag(*explain, line);
    explain->add_option("--taskmanagers", line.taskmanagers, "How many there would be.")
        ->capture_default_str()
        ->check(CLI::Range(1, 1000));

    CLI::App* render =
        app.add_subcommand("render", "Prints the job after layers, variables and defaults.");
    add_document_flags(*render, line);

    CLI::App* submit = app.add_subcommand("submit", "Sends a job to the JobManager.");
    add_document_flags(*submit, line);
    add_server_flag(*submit, line);
    add_output_flag(*submit, line);
    submit->add_flag("--wait", line.wait, "Waits until the job ends.");

    CLI::App* list = app.add_subcommand("list", "Lists the jobs.");
    add_server_flag(*list, line);
    add_output_flag(*list, line);

    CLI::App* describe = app.add_subcommand("describe", "Shows one job: steps, models, failures.");
    describe->add_option("job", line.job, "Name, id or the beginning of an id.")
        ->required()
        ->check(is_job());
    add_server_flag(*describe, line);
    add_output_flag(*describe, line);

    CLI::App* cancel = app.add_subcommand("cancel", "Cancels a job.");
    cancel->add_option("job", line.job, "Name, id or the beginning of an id.")
        ->required()
        ->check(is_job());
    cancel->add_flag("--wait", line.wait, "Waits until it has ended.");
    add_server_flag(*cancel, line);

    CLI::App* version = app.add_subcommand("version", "Prints versions.");
    add_output_flag(*version, line);
}

const std::map<std::string, Verb>& verbs() {
    static const std::map<std::string, Verb> table{{"jobmanager", Verb::kJobManager},
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
    return table;
}

// "did you mean `submit`?", else what shows the words that there are.
std::string hint(std::string_view written, const std::vector<std::string>& known,
                 std::string_view shown_by) {
    const std::vector<std::string_view> words(known.begin(), known.end());
    if (const auto near = nearest_word(written, words))
        return fmt::format("Hint: did you mean `{}`?", *near);
    return fmt::format("Hint: {}", shown_by);
}

std::string wrong_verb(int argc, const char* const* argv) {
    constexpr std::string_view kShownBy = "`millrace --help` lists the verbs";
    if (argc < 2) return fmt::format("a verb is missing. {}", hint("", {}, kShownBy));
    std::vector<std::string> known;
    for (const auto& [name, verb] : verbs()) known.push_back(name);
    return fmt::format("no such verb: {}. {}", argv[1], hint(argv[1], known, kShownBy));
}

// The first word, in the order of the command line, that the verb has no use for.
std::string unexpected_word(const CLI::App& verb, int argc, const char* const* argv) {
    const std::vector<std::string> left = verb.remaining(true);
    for (int i = 1; i < argc; ++i) {
        if (std::ranges::find(left, argv[i]) != left.end()) return argv[i];
    }
    return left.empty() ? std::string() : left.back();
}

std::string wrong_word(const CLI::App& verb, int argc, const char* const* argv) {
    const std::string word = unexpected_word(verb, argc, argv);
    const std::string shown_by =
        fmt::format("`millrace {} --help` shows its flags", verb.get_name());
    if (!word.starts_with('-')) {
        return fmt::format("{} has no use for `{}`. Hint: {}", verb.get_name(), word, shown_by);
    }
    std::vector<std::string> known;
    for (const CLI::Option* option : verb.get_options()) {
        for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    }
    const std::string flag = word.substr(0, word.find('='));
    return fmt::format("{} has no flag {}. {}", verb.get_name(), flag, hint(flag, known, shown_by));
}

// CLI11 suggests nothing, and tells unexpected words in no order.
std::string complaint(const CLI::App& app, const CLI::ParseError& error, int argc,
                      const char* const* argv) {
    if (app.get_subcommands().empty()) return wrong_verb(argc, argv);
    const CLI::App& verb = *app.get_subcommands().front();
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr)
        return wrong_word(verb, argc, argv);
    return fmt::format("{}: {}", verb.get_name(), error.what());
}

}  // namespace

std::variant<CommandLine, ExitCode> parse_command_line(int argc, const char* const* argv) {
    CommandLine line;
    CLI::App app("Millrace: stream processing with online machine learning.", "millrace");
    app.require_subcommand(1, 1);
    app.set_help_all_flag("--help-all", "Help of every verb.");
    app.set_version_flag("--version", "", "Prints versions, as the verb does.");
    add_process_verbs(app, line);
    add_client_verbs(app, line);
    // Verbs share their variables; without this CLI11 fills them from the environment for the verbs
    // that were not given, too, after the flags of the one that was.
    for (CLI::App* verb : app.get_subcommands({})) verb->parse_complete_callback([] {});
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForVersion&) {
        return line;
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {
            app.exit(error, std::cout, std::cerr);
            return ExitCode::kDone;
        }
        fmt::print(stderr, "millrace: {}\n", complaint(app, error, argc, argv));
        return ExitCode::kUsage;
    }
    line.verb = verbs().at(app.get_subcommands().front()->get_name());
    return line;
}

}  // namespace millrace::cli
