// One JobManager and some TaskManagers as real processes on loopback, for benchmarks.
//
// Threads:    one owner.
// Ownership:  owns the processes and the folder with their output; the destructor kills them.
// Limits:     every wait has a deadline.
// Failure:    aborts with what the process wrote: a benchmark has nothing to go on with.

#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "tests/bench/machine.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace millrace::bench {

class BenchCluster {
  public:
    // `brokers` may be empty for jobs without Kafka. Returns when the JobManager answers.
    explicit BenchCluster(const std::string& brokers);

    // Returns when it has registered. `settings` are key=value.
    support::Process& start_taskmanager(int slots, const std::vector<std::string>& settings);

    // Submits the job file `text`; returns when the JobManager has accepted it.
    void submit(const std::string& text);
    // Cancels the job and waits for its end.
    void cancel(const std::string& job);
    // A verb for the JobManager; its standard output. Aborts when it fails.
    std::string verb(std::vector<std::string> arguments);

    [[nodiscard]] support::Process& jobmanager() { return processes_.front(); }
    [[nodiscard]] const support::TempDir& folder() const { return folder_; }

  private:
    support::Process& start(std::vector<std::string> arguments);

    support::TempDir folder_;
    std::deque<support::Process> processes_;  // The JobManager first.
    std::string rest_;
    std::string control_;
    int documents_ = 0;
};

}  // namespace millrace::bench
