#include "runtime/process/node.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <random>

#include <fmt/core.h>
#include <unistd.h>

#include "memory/system_memory.h"
#include "operators/registry.h"
#include "runtime/base/log.h"

namespace millrace::process {
namespace {

constexpr std::uint16_t kMetricsPortDefault = 9249;
constexpr std::uint64_t kJobManagerBytesDefault = std::uint64_t{512} << 20;
constexpr std::uint64_t kProcessBytesDefault = std::uint64_t{1728} << 20;

// Ids of processes and jobs need not be secret, only different.
std::uint64_t fresh_seed() {
    std::random_device device;
    return (std::uint64_t{device()} << 32) ^ device();
}

log::Level level_named(const std::string& name) {
    if (name == "debug") return log::Level::kDebug;
    if (name == "warn") return log::Level::kWarn;
    if (name == "error") return log::Level::kError;
    return log::Level::kInfo;
}

net::BindScope scope_of(const cli::CommandLine& line) {
    return line.allow_remote ? net::BindScope::kAnywhere : net::BindScope::kLoopback;
}

// Of the flag, else of the key; none means no port.
Result<std::optional<net::Address>> metrics_address(const cli::CommandLine& line,
                                                    const Settings& settings) {
    std::string text = line.metrics;
    if (text.empty()) {
        const auto port = find_setting(settings, kMetricsPortKey);
        if (!port) return std::nullopt;
        text = "127.0.0.1:" + *port;
    }
    MILLRACE_TRY_ASSIGN(auto address, net::parse_address(text, kMetricsPortDefault));
    return address;
}

// The names under which a browser may call a port of loopback. Others are tricks: a page's host
// that was made to resolve to this machine.
std::vector<std::string> hosts_of(const cli::CommandLine& line, const net::Address& own) {
    if (line.allow_remote) return {};
    return {"localhost", "127.0.0.1", "::1", own.host};
}

// Names the flag by which another port is chosen.
Status with_flag(Status listening, std::string_view flag) {
    if (!listening && listening.error().code == Code::kAlreadyExists)
        listening.error().message += fmt::format(" with {}", flag);
    return listening;
}

}  // namespace

Node::Node()
    : process_metrics_(metrics_, {}),
      blocking_(task::BlockingPool::Limits{}),
      environment_(clock_) {
    blocking_.start();
    loop_.watch_stop_signals([this](int) {
        was_interrupted_ = true;
        loop_.stop();
    });
}

Node::~Node() { take_down(); }

void Node::take_down() {
    if (taskmanager_ != nullptr) taskmanager_->stop();
    if (http_ != nullptr) http_->stop();
    if (jobmanager_ != nullptr) jobmanager_->stop();
    blocking_.stop();
    taskmanager_.reset();
    http_.reset();
    process_api_.reset();
    rest_.reset();
    jobmanager_.reset();
}

void Node::run() { loop_.run("millrace-ctl"); }

Status Node::start_jobmanager(const cli::CommandLine& line, const std::string& rest,
                              web::ReadDocument read_document) {
    log::configure(level_named(line.log_level),
                   line.log_format == "json" ? log::Format::kJson : log::Format::kText);
    MILLRACE_TRY_ASSIGN(auto address, net::parse_address(line.jobmanager, 6123));
    jobmanager::JobManager::Options options{
        .address = std::move(address),
        .scope = scope_of(line),
        .cluster = line.cluster,
        .version = MILLRACE_VERSION,
        .epoch = LeaderEpoch{static_cast<std::uint64_t>(clock_.wall_ms())},
        .heartbeat_timeout = std::chrono::milliseconds(line.heartbeat_timeout_ms),
        .seed = fresh_seed()};
    options.heartbeat_interval =
        std::min<Duration>(options.heartbeat_interval, options.heartbeat_timeout / 4);
    jobmanager_ = std::make_unique<jobmanager::JobManager>(
        loop_, clock_, metrics_, environment_, deployment_sums_,
        [this](std::function<void()> work) { return blocking_.submit(std::move(work)); },
        std::move(options));
    MILLRACE_TRY(with_flag(jobmanager_->start(), "--control"));
    if (rest.empty()) return {};
    MILLRACE_TRY_ASSIGN(const auto rest_address, net::parse_address(rest, 8081));
    rest_ = std::make_unique<web::RestApi>(*jobmanager_, metrics_, std::move(read_document),
                                           MILLRACE_VERSION);
    http_ = std::make_unique<net::HttpServer>(
        loop_, process_metrics_,
        net::HttpServer::Options{.scope = scope_of(line), .hosts = hosts_of(line, rest_address)},
        [this](const net::HttpRequest& request, net::HttpResponder responder) {
            rest_->handle(request, std::move(responder));
        });
    return with_flag(http_->listen(rest_address), "--rest");
}

Status Node::start_taskmanager(const cli::CommandLine& line, const Settings& settings,
                               const memory::MemoryBudget& budget, const net::Address& jobmanager) {
    log::configure(level_named(line.log_level),
                   line.log_format == "json" ? log::Format::kJson : log::Format::kText);
    // Caps that changed what was set, keys without effect, more than the machine has.
    for (const std::string& warning : budget.warnings) log::warn("{}", warning);
    MILLRACE_TRY_ASSIGN(auto data, net::parse_address(line.data, 0));
    const std::size_t cores = static_cast<std::size_t>(sysconf(_SC_NPROCESSORS_ONLN));
    taskmanager::TaskManager::Options options{
        .jobmanager = jobmanager,
        .data = std::move(data),
        .scope = scope_of(line),
        .cluster = line.cluster,
        .id = fmt::format("tm-{}-{:08x}", getpid(), static_cast<std::uint32_t>(fresh_seed())),
        .version = MILLRACE_VERSION,
        .workers = line.workers > 0 ? line.workers : cores,
        .memory = budget};
    taskmanager_ = std::make_unique<taskmanager::TaskManager>(
        loop_, clock_, metrics_, operators::builtin_operators(), std::move(options));
    MILLRACE_TRY(with_flag(taskmanager_->start(), "--data"));
    MILLRACE_TRY_ASSIGN(const auto metrics, metrics_address(line, settings));
    return metrics ? start_metrics(line, *metrics) : Status{};
}

// What REST says of a JobManager's process, for a TaskManager that has one of its own.
Status Node::start_metrics(const cli::CommandLine& line, const net::Address& address) {
    process_api_ = std::make_unique<web::ProcessApi>(metrics_, MILLRACE_VERSION, [this] {
        const bool is_registered = taskmanager_->is_registered();
        return std::vector<web::HealthCheck>{
            {.name = "memory"},
            {.name = "data port"},
            {.name = "registration",
             .is_ready = is_registered,
             .message = is_registered ? "" : "the JobManager has not taken this TaskManager yet"}};
    });
    http_ = std::make_unique<net::HttpServer>(
        loop_, process_metrics_,
        net::HttpServer::Options{.scope = scope_of(line), .hosts = hosts_of(line, address)},
        [this](const net::HttpRequest& request, net::HttpResponder responder) {
            process_api_->handle(request, std::move(responder));
        });
    MILLRACE_TRY(with_flag(http_->listen(address), "--metrics"));
    log::info("health and metrics at port {}", http_->port());
    return {};
}

namespace {

memory::MachineMemory machine_memory(std::uint64_t process_bytes_default) {
    return {.cgroup_limit_bytes = memory::cgroup_limit_bytes(memory::SystemFiles{}),
            .process_bytes_default = process_bytes_default,
            .physical_bytes = memory::physical_bytes()};
}

}  // namespace

Result<memory::MemoryBudget> budget_of(const Settings& settings, std::uint32_t slots_default) {
    Settings own = memory_settings(settings);
    if (!find_setting(own, kSlotsKey)) {
        own.push_back({.key = std::string(kSlotsKey), .value = std::to_string(slots_default)});
    }
    return memory::MemoryBudget::derive(own, machine_memory(kProcessBytesDefault));
}

Result<memory::JobManagerBudget> jobmanager_budget_of(const Settings& settings) {
    return memory::JobManagerBudget::derive(memory_settings(settings),
                                            machine_memory(kJobManagerBytesDefault));
}

}  // namespace millrace::process
