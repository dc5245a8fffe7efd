// The parts of one process, put together: control loop, JobManager with REST, TaskManager, or both.
//
// Threads:    the thread that calls run() is the control thread; make and destroy the node on it.
// Ownership:  owns everything it starts; borrows the job document reader.
// Failure:    start functions answer for ports, memory and permissions.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "memory/memory_budget.h"
#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/cli/command_line.h"
#include "runtime/cli/exit_codes.h"
#include "runtime/jobmanager/jobmanager.h"
#include "runtime/net/event_loop.h"
#include "runtime/net/http_server.h"
#include "runtime/process/deployment_sums.h"
#include "runtime/process/job_environment.h"
#include "runtime/process/process_settings.h"
#include "runtime/task/blocking_pool.h"
#include "runtime/taskmanager/taskmanager.h"
#include "runtime/web/process_api.h"
#include "runtime/web/rest_api.h"

namespace millrace::process {

class Node {
  public:
    Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
    ~Node();

    // Opens the control port, and the REST port unless `rest` is empty.
    Status start_jobmanager(const cli::CommandLine& line, const std::string& rest,
                            web::ReadDocument read_document);
    // Maps the memory that `budget` says and connects to `jobmanager`.
    Status start_taskmanager(const cli::CommandLine& line, const Settings& settings,
                             const memory::MemoryBudget& budget, const net::Address& jobmanager);
    // Runs until a stop signal comes, or stop() was called; then takes everything down.
    void run();
    void stop() { loop_.stop(); }

    [[nodiscard]] net::EventLoop& loop() { return loop_; }
    [[nodiscard]] const Clock& clock() const { return clock_; }
    [[nodiscard]] jobmanager::JobManager& jobmanager() { return *jobmanager_; }
    [[nodiscard]] const taskmanager::TaskManager& taskmanager() const { return *taskmanager_; }
    [[nodiscard]] std::uint16_t rest_port() const { return http_ == nullptr ? 0 : http_->port(); }
    [[nodiscard]] bool was_interrupted() const { return was_interrupted_; }
    [[nodiscard]] JobEnvironment& environment() { return environment_; }

  private:
    void take_down();
    Status start_metrics(const cli::CommandLine& line, const net::Address& address);

    SystemClock clock_;
    metrics::Registry metrics_;
    metrics::MetricGroup process_metrics_;
    net::EventLoop loop_;
    task::BlockingPool blocking_;
    JobEnvironment environment_;
    DeploymentSums deployment_sums_;
    std::unique_ptr<jobmanager::JobManager> jobmanager_;
    std::unique_ptr<web::RestApi> rest_;
    std::unique_ptr<web::ProcessApi> process_api_;
    std::unique_ptr<net::HttpServer> http_;
    std::unique_ptr<taskmanager::TaskManager> taskmanager_;
    bool was_interrupted_ = false;
};

// The budget that the settings and the machine's limits say. Errors: kInvalidOption, every
// violation.
Result<memory::MemoryBudget> budget_of(const Settings& settings, std::uint32_t slots_default);

// Checks the settings as a JobManager reads them. Errors: kInvalidOption, every violation.
Result<memory::JobManagerBudget> jobmanager_budget_of(const Settings& settings);

using cli::exit_with;

}  // namespace millrace::process
