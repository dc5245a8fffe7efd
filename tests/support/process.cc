#include "tests/support/process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/check.h"
#include "tests/support/temp_dir.h"

extern char** environ;

namespace millrace::support {

namespace {

constexpr int kSignalledExitCode = 128;            // Plus the signal's number, as shells count.
constexpr int kCannotRunExitCode = 127;            // As shells answer.
constexpr std::size_t kInputBytesMax = 64 * 1024;  // A pipe's size: written before anyone reads.

// All that the child needs, made before fork(): after it, only async-signal-safe calls are allowed.
struct Image {
    std::vector<std::string> environment;
    std::vector<char*> environment_pointers;
    std::vector<char*> argument_pointers;
    std::string program;
    std::string working_folder;
};

std::vector<std::string> merged_environment(const Command& command) {
    std::vector<std::string> merged;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        merged.emplace_back(*entry);
    }
    for (const auto& [name, value] : command.environment) {
        const std::string start = name + "=";
        std::erase_if(merged, [&](const std::string& entry) { return entry.starts_with(start); });
        merged.push_back(start + value);
    }
    return merged;
}

// The file that `name` means: itself when it has a slash, else the first on PATH.
Result<std::string> find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) {
        if (::access(name.c_str(), X_OK) == 0) {
            return name;
        }
        return fail(Code::kNotFound, "not an executable file: {}", name);
    }
    const char* path = std::getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "/usr/bin:/bin");
    for (std::string folder; std::getline(folders, folder, ':');) {
        std::string candidate = folder;
        candidate.append("/").append(name);
        if (::access(candidate.c_str(), X_OK) == 0) {
            return candidate;
        }
    }
    return fail(Code::kNotFound, "no program of this name on PATH: {}", name);
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (const std::string& text : texts) {
        pointers.push_back(const_cast<char*>(text.c_str()));
    }
    pointers.push_back(nullptr);
    return pointers;
}

Result<Image> make_image(const Command& command) {
    MILLRACE_CHECK(!command.argv.empty());
    MILLRACE_CHECK_LE(command.input.size(), kInputBytesMax);
    Image image;
    MILLRACE_TRY_ASSIGN(image.program, find_program(command.argv.front()));
    image.environment = merged_environment(command);
    image.environment_pointers = pointers_to(image.environment);
    image.argument_pointers = pointers_to(command.argv);
    image.working_folder = command.working_folder.string();
    return image;
}

// A pipe that holds `text` and then the end; the reading end is returned.
int pipe_with(const std::string& text) {
    std::array<int, 2> ends{};
    MILLRACE_CHECK_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const ssize_t written = ::write(ends[1], text.data(), text.size());
    MILLRACE_CHECK_EQ(written, static_cast<ssize_t>(text.size()));
    ::close(ends[1]);
    return ends[0];
}

int create_file(const std::filesystem::path& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    MILLRACE_CHECK_GE(fd, 0);
    return fd;
}

struct Files {
    int input;
    int output;
    int errors;
};

// Runs in the child.
[[noreturn]] void become(const Image& image, const Files& files, pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {  // The parent died before the line above.
        ::_exit(kCannotRunExitCode);
    }
    ::dup2(files.input, STDIN_FILENO);
    ::dup2(files.output, STDOUT_FILENO);
    ::dup2(files.errors, STDERR_FILENO);
    if (!image.working_folder.empty() && ::chdir(image.working_folder.c_str()) != 0) {
        ::_exit(kCannotRunExitCode);
    }
    ::execve(image.program.c_str(), image.argument_pointers.data(),
             image.environment_pointers.data());
    ::_exit(kCannotRunExitCode);
}

// `folder`/NAME, or `folder`/NAME.2 and so on when its output exists.
std::filesystem::path free_name(const Command& command, const std::filesystem::path& folder) {
    const std::string name = command.name.empty()
                                 ? std::filesystem::path(command.argv.front()).filename().string()
                                 : command.name;
    std::filesystem::path path = folder / name;
    for (int i = 2; std::filesystem::exists(path.string() + ".out"); ++i) {
        path = folder / fmt::format("{}.{}", name, i);
    }
    return path;
}

int exit_code_of(int status) {
    return WIFSIGNALED(status) ? kSignalledExitCode + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Result<ProcessUsage> usage_of(pid_t pid) {
    const std::string folder = fmt::format("/proc/{}/", pid);
    std::istringstream status(read_file(folder + "status"));
    ProcessUsage usage;
    for (std::string key; status >> key;) {
        if (key == "VmRSS:") {
            status >> usage.rss_bytes;
        } else if (key == "VmHWM:") {
            status >> usage.rss_bytes_max;
        } else if (key == "Threads:") {
            status >> usage.thread_count;
        }
    }
    const std::string stat = read_file(folder + "stat");
    const std::size_t name_end = stat.rfind(')');  // The name may hold anything, brackets too.
    if (name_end == std::string::npos || usage.rss_bytes == 0) {
        return fail(Code::kNotFound, "no such process: {}", pid);
    }
    usage.rss_bytes *= 1024;
    usage.rss_bytes_max *= 1024;
    std::istringstream fields(stat.substr(name_end + 1));
    std::string skipped;
    for (int i = 3; i < 14; ++i) {  // utime and stime are fields 14 and 15 of proc(5).
        fields >> skipped;
    }
    std::uint64_t user_ticks = 0;
    std::uint64_t system_ticks = 0;
    fields >> user_ticks >> system_ticks;
    usage.cpu_seconds = static_cast<double>(user_ticks + system_ticks) /
                        static_cast<double>(::sysconf(_SC_CLK_TCK));
    return usage;
}

Result<Process> Process::start(const Command& command, const std::filesystem::path& folder) {
    MILLRACE_TRY_ASSIGN(const Image image, make_image(command));
    const std::filesystem::path path = free_name(command, folder);
    const std::filesystem::path output_path = path.string() + ".out";
    const std::filesystem::path errors_path = path.string() + ".err";
    const Files files{pipe_with(command.input), create_file(output_path), create_file(errors_path)};
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) {
        become(image, files, parent);
    }
    const int fork_error = errno;
    ::close(files.input);
    ::close(files.output);
    ::close(files.errors);
    if (pid < 0) {
        return fail(Code::kUnavailable, "cannot start {}: {}", image.program,
                    std::strerror(fork_error));
    }
    return Process(pid, output_path, errors_path);
}

Process::Process(pid_t pid, std::filesystem::path output_path, std::filesystem::path errors_path)
    : pid_(pid), output_path_(std::move(output_path)), errors_path_(std::move(errors_path)) {}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      exit_code_(other.exit_code_),
      output_path_(std::move(other.output_path_)),
      errors_path_(std::move(other.errors_path_)) {}

Process& Process::operator=(Process&& other) noexcept {
    if (this != &other) {
        end();
        pid_ = std::exchange(other.pid_, -1);
        exit_code_ = other.exit_code_;
        output_path_ = std::move(other.output_path_);
        errors_path_ = std::move(other.errors_path_);
    }
    return *this;
}

Process::~Process() { end(); }

void Process::end() noexcept {
    if (pid_ > 0 && !exit_code_) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    pid_ = -1;
}

Result<int> Process::wait(std::chrono::milliseconds patience) {
    if (!eventually(patience, [this] { return !running(); })) {
        return fail(Code::kDeadlineExceeded, "process {} runs after {} ms; its output is in {}",
                    pid_, patience.count(), output_path_.string());
    }
    return *exit_code_;
}

bool Process::running() {
    int status = 0;
    if (!exit_code_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
        exit_code_ = exit_code_of(status);
    }
    return !exit_code_;
}

void Process::send(int signal) const {
    MILLRACE_CHECK(pid_ > 0 && !exit_code_);  // Its number may be another process's by now.
    MILLRACE_CHECK_EQ(::kill(pid_, signal), 0);
}

void Process::terminate() const { send(SIGTERM); }
void Process::kill() const { send(SIGKILL); }
void Process::pause() const { send(SIGSTOP); }
void Process::resume() const { send(SIGCONT); }

std::string Process::output() const { return read_file(output_path_); }
std::string Process::errors() const { return read_file(errors_path_); }

Result<Finished> run(const Command& command, std::chrono::milliseconds patience) {
    const TempDir folder;
    MILLRACE_TRY_ASSIGN(Process process, Process::start(command, folder.path()));
    MILLRACE_TRY_ASSIGN(const int exit_code, process.wait(patience));
    return Finished{exit_code, process.output(), process.errors()};
}

}  // namespace millrace::support
