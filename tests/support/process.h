// Runs a program as a real process: its output in files, its end awaited with a deadline.
//
//     TempDir folder;
//     auto server = Process::start({.argv = {millrace_binary(), "jobmanager"}}, folder.path());
//     REQUIRE(server);
//     REQUIRE(eventually([&] { return server->output().contains("ready"); }));
//     server->kill();
//     REQUIRE(server->wait() == 128 + SIGKILL);
//
// Threads:    one owner. The thread that starts a process must outlive it: the kernel kills the
//             child when that thread ends, so that a test that dies leaves nothing running.
// Ownership:  owns the process; the destructor kills it (SIGKILL) and collects it.
// Limits:     none on output; it goes to files.
// Failure:    start() answers kNotFound or kUnavailable; wait() answers kDeadlineExceeded.

#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "runtime/base/status.h"
#include "tests/support/eventually.h"

namespace millrace::support {

struct Command {
    std::vector<std::string> argv;  // The program first: a path, or a name found by PATH.
    // Added to this process's environment, or put in place of what is there.
    std::vector<std::pair<std::string, std::string>> environment{};
    std::filesystem::path working_folder{};  // Empty: this process's.
    std::string name{};                      // Of the output files; empty: the program's file name.
    std::string input{};                     // What it reads from standard input, at most 64 KiB.
};

// What a process used so far, from /proc.
struct ProcessUsage {
    std::uint64_t rss_bytes = 0;
    std::uint64_t rss_bytes_max = 0;
    double cpu_seconds = 0;  // User and system, all threads.
    std::uint64_t thread_count = 0;
};

// What the process `pid` used. Errors: kNotFound when it has ended.
[[nodiscard]] Result<ProcessUsage> usage_of(pid_t pid);

class Process {
  public:
    // Starts `command`; standard output goes to `folder`/NAME.out and standard error to
    // `folder`/NAME.err, with a number in NAME when those exist.
    static Result<Process> start(const Command& command, const std::filesystem::path& folder);

    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    // Waits for the end. The exit code; 128 + the signal's number when a signal ended it.
    Result<int> wait(std::chrono::milliseconds patience = kPatience);
    [[nodiscard]] bool running();

    // REQUIRES: wait() has not answered a value yet.
    void send(int signal) const;
    void terminate() const;  // SIGTERM
    void kill() const;       // SIGKILL
    void pause() const;      // SIGSTOP
    void resume() const;     // SIGCONT

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] Result<ProcessUsage> usage() const { return usage_of(pid_); }
    // Everything written so far.
    [[nodiscard]] std::string output() const;
    [[nodiscard]] std::string errors() const;
    [[nodiscard]] const std::filesystem::path& output_path() const { return output_path_; }
    [[nodiscard]] const std::filesystem::path& errors_path() const { return errors_path_; }

  private:
    Process(pid_t pid, std::filesystem::path output_path, std::filesystem::path errors_path);
    void end() noexcept;

    pid_t pid_ = -1;
    std::optional<int> exit_code_;
    std::filesystem::path output_path_;
    std::filesystem::path errors_path_;
};

struct Finished {
    int exit_code = 0;
    std::string output;
    std::string errors;
};

// Runs `command` to its end. Errors: as start() and wait(); a process that did not end is killed.
[[nodiscard]] Result<Finished> run(const Command& command,
                                   std::chrono::milliseconds patience = kPatience);

}  // namespace millrace::support
