#include "tests/integration/cluster.h"

#include <exception>
#include <iostream>
#include <sstream>

#include <catch2/catch.hpp>

#include "tests/support/http_client.h"

namespace millrace::integration {

using support::eventually;
using support::Finished;
using support::Process;

namespace {

constexpr std::chrono::seconds kPatience{90};
constexpr std::size_t kLogBytesShown = 4000;

std::vector<std::string> with_binary(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), MILLRACE_BINARY);
    return arguments;
}

}  // namespace

Finished millrace(std::vector<std::string> arguments, const Environment& environment) {
    auto finished = support::run(
        {.argv = with_binary(std::move(arguments)), .environment = environment}, kPatience);
    REQUIRE(finished);
    return *std::move(finished);
}

Cluster::Cluster(Options options) : options_(std::move(options)) {
    start(jobmanager_arguments());
    wait_for_ports();
}

std::vector<std::string> Cluster::jobmanager_arguments() const {
    const auto local = [](std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); };
    std::vector<std::string> arguments{
        "jobmanager",      "--control",   local(control_port_),        "--rest",
        local(rest_port_), "--port-file", (folder_ / "ports").string()};
    if (!options_.brokers.empty()) arguments.insert(arguments.end(), {"--kafka", options_.brokers});
    arguments.insert(arguments.end(), options_.jobmanager_flags.begin(),
                     options_.jobmanager_flags.end());
    return arguments;
}

void Cluster::wait_for_ports() {
    Process& process = jobmanager();
    const std::filesystem::path ports = folder_ / "ports";
    REQUIRE(eventually([&] { return std::filesystem::exists(ports) || !process.running(); }));
    CAPTURE(process.errors());
    REQUIRE(process.running());
    read_ports(ports);
}

void Cluster::replace_jobmanager() {
    jobmanager().kill();
    REQUIRE(jobmanager().wait());
    std::filesystem::remove(folder_ / "ports");
    start(jobmanager_arguments());
    processes_.front() = std::move(processes_.back());
    processes_.pop_back();
    wait_for_ports();
}

Cluster::~Cluster() {
    if (std::uncaught_exceptions() == 0) return;
    for (const Process& process : processes_) {
        const std::string text = process.errors();
        std::cout << "---- " << process.errors_path().string() << '\n'
                  << text.substr(text.size() - std::min(text.size(), kLogBytesShown));
    }
}

void Cluster::read_ports(const std::filesystem::path& file) {
    std::istringstream lines(support::read_file(file));
    for (std::string line; std::getline(lines, line);) {
        const std::size_t equals = line.find('=');
        REQUIRE(equals != std::string::npos);
        const auto port = static_cast<std::uint16_t>(std::stoi(line.substr(equals + 1)));
        (line.starts_with("rest") ? rest_port_ : control_port_) = port;
    }
    REQUIRE((rest_port_ != 0 && control_port_ != 0));
}

Process& Cluster::start(const std::vector<std::string>& arguments, const Environment& environment) {
    auto started = Process::start(
        {.argv = with_binary(arguments), .environment = environment, .name = arguments.front()},
        folder_.path());
    REQUIRE(started);
    return processes_.emplace_back(*std::move(started));
}

Process& Cluster::start_taskmanager(const TaskManagerOptions& options) {
    const std::size_t before = taskmanagers().size();
    std::vector<std::string> arguments{
        "taskmanager", "--jobmanager", "127.0.0.1:" + std::to_string(control_port_), "-D",
        "taskmanager.numberOfTaskSlots=" + std::to_string(options.slots)};
    for (const std::string& setting : options.settings)
        arguments.insert(arguments.end(), {"-D", setting});
    Process& process = start(arguments, options.environment);
    REQUIRE(eventually([&] { return taskmanagers().size() > before || !process.running(); }));
    CAPTURE(process.errors());
    REQUIRE(process.running());
    return process;
}

Finished Cluster::try_submit(const std::string& text) {
    const std::string name = "job" + std::to_string(documents_++) + ".yaml";
    return verb({"submit", folder_.write(name, text).string()});
}

void Cluster::submit(const std::string& text) {
    const Finished submitted = try_submit(text);
    CAPTURE(submitted.errors);
    REQUIRE(submitted.exit_code == 0);
}

Finished Cluster::verb(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--server", "127.0.0.1:" + std::to_string(rest_port_)});
    return millrace(std::move(arguments));
}

std::string Cluster::get(const std::string& target) const {
    const auto answer = support::http_get(rest_port_, target);
    CAPTURE(target);
    REQUIRE(answer);
    CAPTURE(answer->body);
    REQUIRE(answer->status == 200);
    return answer->body;
}

JobProgress Cluster::progress(const std::string& job) {
    return read_progress(get("/jobs/" + job + "/progress"));
}

JobProgress Cluster::wait_for(const std::string& job,
                              const std::function<bool(const JobProgress&)>& is_reached) {
    JobProgress seen;
    const bool reached = eventually(kPatience, [&] {
        seen = progress(job);
        return is_reached(seen);
    });
    CAPTURE(job, seen.state, seen.restarts, seen.last_failure);
    REQUIRE(reached);
    return seen;
}

void Cluster::wait_for_state(const std::string& job, const std::string& state) {
    (void)wait_for(job, [&](const JobProgress& seen) { return seen.state == state; });
}

std::vector<TaskManagerView> Cluster::taskmanagers() {
    return read_taskmanagers(get("/taskmanagers"));
}

std::int64_t Cluster::free_slots() {
    std::int64_t sum = 0;
    for (const TaskManagerView& one : taskmanagers()) sum += one.free_slots;
    return sum;
}

MemoryFigures Cluster::memory(const std::string& taskmanager) {
    return read_memory(get("/taskmanagers/" + taskmanager + "/memory"));
}

Process& Cluster::busy_taskmanager() {
    std::vector<std::string> busy;
    for (const TaskManagerView& one : taskmanagers()) {
        if (one.free_slots < one.slots) busy.push_back(one.id);
    }
    REQUIRE(busy.size() == 1);
    for (Process& process : processes_) {
        if (busy.front().starts_with("tm-" + std::to_string(process.pid()) + "-")) return process;
    }
    FAIL("no process has this id: " << busy.front());
    std::abort();
}

std::string Cluster::logs() const {
    std::string all;
    for (const Process& process : processes_) all += process.errors();
    return all;
}

}  // namespace millrace::integration
