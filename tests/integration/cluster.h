// One JobManager and some TaskManagers as real processes on loopback, and what a user does to them.
//
//     Cluster cluster({.brokers = kafka.brokers()});
//     cluster.start_taskmanager({.slots = 16});
//     cluster.submit(text);
//     cluster.wait_for_state("ctr", "RUNNING");
//
// Threads:    the thread of the case; see support::Process.
// Ownership:  owns the processes and the folder with their output. When a case fails, the end of
//             every process's output is printed.
// Limits:     every wait has a deadline.
// Failure:    ends the Catch2 case.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "tests/integration/records.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace millrace::integration {

using Environment = std::vector<std::pair<std::string, std::string>>;

// For a demo with its own broker where tests have one, too.
inline const Environment kNoBroker{{"KAFKA_BROKERS", ""}};

// Runs the program to its end.
[[nodiscard]] support::Finished millrace(std::vector<std::string> arguments,
                                         const Environment& environment = {});

class Cluster {
  public:
    struct Options {
        std::string brokers{};
        std::vector<std::string> jobmanager_flags{};
    };
    struct TaskManagerOptions {
        int slots = 16;
        std::vector<std::string> settings{};  // key=value
        Environment environment{};
    };

    // Returns when the JobManager's ports are open.
    explicit Cluster(Options options);
    Cluster(const Cluster&) = delete;
    Cluster& operator=(const Cluster&) = delete;
    ~Cluster();

    // Returns when it has registered.
    support::Process& start_taskmanager(const TaskManagerOptions& options);

    // `millrace submit` of the job file `text`. The second form expects success.
    [[nodiscard]] support::Finished try_submit(const std::string& text);
    void submit(const std::string& text);
    // A client verb, for example {"cancel", "ctr", "--wait"}.
    [[nodiscard]] support::Finished verb(std::vector<std::string> arguments);

    [[nodiscard]] JobProgress progress(const std::string& job);
    void wait_for_state(const std::string& job, const std::string& state);
    // Returns when `is_reached` is true of the job's progress.
    JobProgress wait_for(const std::string& job,
                         const std::function<bool(const JobProgress&)>& is_reached);

    [[nodiscard]] std::vector<TaskManagerView> taskmanagers();
    [[nodiscard]] std::int64_t free_slots();
    // What this TaskManager said last about its memory.
    [[nodiscard]] MemoryFigures memory(const std::string& taskmanager);
    // The process of the TaskManager that has given slots to jobs. REQUIRES: there is just one.
    support::Process& busy_taskmanager();

    // Kills the JobManager, and starts another one at its ports.
    void replace_jobmanager();

    [[nodiscard]] std::uint16_t rest_port() const { return rest_port_; }
    [[nodiscard]] std::uint16_t control_port() const { return control_port_; }
    [[nodiscard]] support::Process& jobmanager() { return processes_.front(); }
    // What all processes logged so far.
    [[nodiscard]] std::string logs() const;
    [[nodiscard]] const support::TempDir& folder() const { return folder_; }

  private:
    support::Process& start(const std::vector<std::string>& arguments,
                            const Environment& environment = {});
    void read_ports(const std::filesystem::path& file);
    [[nodiscard]] std::string get(const std::string& target) const;

    [[nodiscard]] std::vector<std::string> jobmanager_arguments() const;
    void wait_for_ports();

    const Options options_;
    support::TempDir folder_;
    std::deque<support::Process> processes_;  // The JobManager first.
    std::uint16_t rest_port_ = 0;
    std::uint16_t control_port_ = 0;
    int documents_ = 0;
};

}  // namespace millrace::integration
