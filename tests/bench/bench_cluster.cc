#include "tests/bench/bench_cluster.h"

#include <cstdio>
#include <sstream>
#include <utility>

#include "runtime/base/check.h"
#include "tests/support/eventually.h"

namespace millrace::bench {

using support::eventually;
using support::Process;

namespace {

// Aborts with what `process` wrote unless `is_true`.
void require(bool is_true, const Process& process) {
    if (!is_true) std::fputs(process.errors().c_str(), stderr);
    MILLRACE_CHECK(is_true);
}

}  // namespace

BenchCluster::BenchCluster(const std::string& brokers) {
    const std::filesystem::path ports = folder_ / "ports";
    std::vector<std::string> arguments{"jobmanager",  "--control",   "127.0.0.1:0", "--rest",
                                       "127.0.0.1:0", "--port-file", ports.string()};
    if (!brokers.empty()) arguments.insert(arguments.end(), {"--kafka", brokers});
    const Process& process = start(std::move(arguments));
    require(eventually([&] { return std::filesystem::exists(ports); }), process);
    std::istringstream lines(support::read_file(ports));
    for (std::string line; std::getline(lines, line);) {
        const std::string port = line.substr(line.find('=') + 1);
        (line.starts_with("rest") ? rest_ : control_) = "127.0.0.1:" + port;
    }
}

Process& BenchCluster::start(std::vector<std::string> arguments) {
    const std::string name = arguments.front();
    arguments.insert(arguments.begin(), MILLRACE_BINARY);
    auto started = Process::start({.argv = std::move(arguments), .name = name}, folder_.path());
    MILLRACE_CHECK(started.has_value());
    return processes_.emplace_back(*std::move(started));
}

Process& BenchCluster::start_taskmanager(int slots, const std::vector<std::string>& settings) {
    std::vector<std::string> arguments{"taskmanager", "--jobmanager", control_, "-D",
                                       "taskmanager.numberOfTaskSlots=" + std::to_string(slots)};
    for (const std::string& setting : settings) {
        arguments.emplace_back("-D");
        arguments.push_back(setting);
    }
    Process& process = start(std::move(arguments));
    require(eventually([&] { return process.errors().contains("registered with"); }), process);
    return process;
}

void BenchCluster::submit(const std::string& text) {
    const std::string name = "job" + std::to_string(documents_++) + ".yaml";
    verb({"submit", folder_.write(name, text).string()});
}

void BenchCluster::cancel(const std::string& job) { verb({"cancel", job, "--wait"}); }

std::string BenchCluster::verb(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), MILLRACE_BINARY);
    arguments.insert(arguments.end(), {"--server", rest_});
    const auto finished = support::run({.argv = std::move(arguments)});
    MILLRACE_CHECK(finished.has_value());
    if (finished->exit_code != 0) std::fputs(finished->errors.c_str(), stderr);
    MILLRACE_CHECK_EQ(finished->exit_code, 0);
    return finished->output;
}

}  // namespace millrace::bench
