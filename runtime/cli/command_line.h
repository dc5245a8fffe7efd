// The command line of `millrace`: verbs, flags and their defaults. The only user of CLI11.
//
// Threads:    main's, once.
// Failure:    a wrong command line is printed with the nearest right word and exit code 64; --help
//             ends with 0.

#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "runtime/base/clock.h"

namespace millrace::cli {

// Exit codes, from sysexits.h where it has one.
enum class ExitCode : int {
    kDone = 0,
    kFailed = 1,
    kUsage = 64,
    kBadData = 65,
    kUnavailable = 69,
    kIo = 74,
    kTimedOut = 75,
    kNotPermitted = 77,
    kBadConfig = 78,
    kInterrupted = 130,
};

enum class Verb : std::uint8_t {
    kJobManager,
    kTaskManager,
    kLocal,
    kRun,
    kDemo,
    kValidate,
    kExplain,
    kRender,
    kSubmit,
    kList,
    kDescribe,
    kCancel,
    kVersion,
};

enum class OutputForm : std::uint8_t { kTable, kJson };

struct CommandLine {
    TimePoint started{};  // When the process began; main's.
    Verb verb = Verb::kVersion;
    OutputForm output = OutputForm::kTable;

    // Job documents: positional files, or layers of one job by -f.
    std::vector<std::string> files;
    std::vector<std::string> layers;
    std::vector<std::string> assignments;  // --set path=value
    bool deny_warnings = false;
    std::vector<std::string> allowed_warnings;
    std::string format;  // Of diagnostics: "", "json" or "github".
    bool wait = false;
    std::string job;                 // Name, id or prefix.
    std::uint32_t taskmanagers = 1;  // explain: how many the job would have.

    // Processes.
    std::string server = "127.0.0.1:8081";      // REST.
    std::string jobmanager = "127.0.0.1:6123";  // Control.
    std::string data = "127.0.0.1:0";           // Data plane.
    std::string metrics;                        // Health and metrics; empty: no port.
    std::string cluster = "millrace";
    bool allow_remote = false;  // Listen beyond loopback.
    bool allow_inline_kafka = false;
    std::string file_root;
    std::vector<std::string> socket_addresses;  // That socket sources of jobs may connect to.
    std::string config_file;                    // --config
    std::vector<std::string> settings;          // -D key=value
    std::string kafka;                          // Brokers of the cluster `default`.
    std::string port_file;
    std::string log_level = "info";
    std::string log_format = "text";
    std::uint32_t workers = 0;  // 0: the cores.
    std::int64_t heartbeat_timeout_ms = 10'000;

    // demo
    std::int64_t seconds = 0;  // 0: until interrupted.
    std::string rate = "5000/s";
};

// The command to carry out, or the code to exit with at once (help, or a usage error, was printed).
std::variant<CommandLine, ExitCode> parse_command_line(int argc, const char* const* argv);

}  // namespace millrace::cli
