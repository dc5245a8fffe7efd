#include "tests/support/process.h"

#include <csignal>

#include <catch2/catch.hpp>

#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

namespace millrace::support {

namespace {

Command shell(std::string script) {
    return {
        .argv = {"sh", "-c", std::move(script)},
        .name = "shell",
    };
}

}  // namespace

TEST_CASE("run returns the exit code and both outputs", "[support]") {
    const auto finished = run(shell("echo out; echo err >&2; exit 3"));
    REQUIRE(finished);
    REQUIRE(finished->exit_code == 3);
    REQUIRE(finished->output == "out\n");
    REQUIRE(finished->errors == "err\n");
}

TEST_CASE("run passes input, environment and working folder", "[support]") {
    const TempDir folder;
    Command command = shell("cat; echo $COLOUR; pwd");
    command.input = "typed\n";
    command.environment = {{"COLOUR", "green"}};
    command.working_folder = folder.path();
    const auto finished = run(command);
    REQUIRE(finished);
    REQUIRE(finished->output == "typed\ngreen\n" + folder.path().string() + "\n");
}

TEST_CASE("Process says why a program cannot start", "[support]") {
    const TempDir folder;
    const auto by_path = Process::start({.argv = {"/no/such/program"}}, folder.path());
    REQUIRE(!by_path);
    REQUIRE(by_path.error().code == Code::kNotFound);
    const auto by_name = Process::start({.argv = {"no-such-program"}}, folder.path());
    REQUIRE(!by_name);
    REQUIRE(by_name.error().message == "no program of this name on PATH: no-such-program");
}

TEST_CASE("Process waits no longer than its deadline, and again later", "[support]") {
    const TempDir folder;
    auto process = Process::start({.argv = {"sleep", "600"}}, folder.path());
    REQUIRE(process);
    const auto early = process->wait(std::chrono::milliseconds(20));
    REQUIRE(!early);
    REQUIRE(early.error().code == Code::kDeadlineExceeded);
    process->kill();
    REQUIRE(process->wait() == 128 + SIGKILL);
    REQUIRE(process->wait() == 128 + SIGKILL);
}

TEST_CASE("Process tells an end by signal from an exit", "[support]") {
    const TempDir folder;
    auto process = Process::start({.argv = {"sleep", "600"}}, folder.path());
    REQUIRE(process);
    REQUIRE(process->running());
    SECTION("SIGTERM") {
        process->terminate();
        REQUIRE(process->wait() == 128 + SIGTERM);
    }
    SECTION("SIGKILL") {
        process->kill();
        REQUIRE(process->wait() == 128 + SIGKILL);
    }
    REQUIRE_FALSE(process->running());
    REQUIRE(!process->usage());
}

TEST_CASE("Process kills what still runs when it goes away", "[support]") {
    const TempDir folder;
    pid_t pid = 0;
    {
        const auto process = Process::start({.argv = {"sleep", "600"}}, folder.path());
        REQUIRE(process);
        pid = process->pid();
        REQUIRE(usage_of(pid));
    }
    REQUIRE(!usage_of(pid));
}

TEST_CASE("Process keeps the outputs of programs with one name apart", "[support]") {
    const TempDir folder;
    auto first = Process::start(shell("echo first"), folder.path());
    auto second = Process::start(shell("echo second"), folder.path());
    REQUIRE(first);
    REQUIRE(second);
    REQUIRE(first->wait() == 0);
    REQUIRE(second->wait() == 0);
    REQUIRE(first->output() == "first\n");
    REQUIRE(second->output() == "second\n");
}

TEST_CASE("usage_of counts memory, time and threads of a process", "[support]") {
    const TempDir folder;
    // Fills 64 MiB, works until it used .2 s of processor time, and says so.
    auto process = Process::start({.argv = {"python3", "-c",
                                            "import time, sys\nb = b'x' * (64 << 20)\n"
                                            "while time.process_time() < .2: pass\n"
                                            "print('ready', flush=True); time.sleep(600)"}},
                                  folder.path());
    REQUIRE(process);
    REQUIRE(eventually([&] { return process->output() == "ready\n"; }));
    const auto usage = process->usage();
    REQUIRE(usage);
    REQUIRE(usage->rss_bytes > 64ULL << 20);
    REQUIRE(usage->rss_bytes < 256ULL << 20);
    REQUIRE(usage->rss_bytes_max >= usage->rss_bytes);
    REQUIRE(usage->cpu_seconds > 0.15);
    REQUIRE(usage->thread_count == 1);
}

TEST_CASE("skip ends the process with CTest's code for skipped", "[support]") {
    const auto finished = run({.argv = {"/proc/self/exe", "a case that skips itself"}});
    REQUIRE(finished);
    REQUIRE(finished->exit_code == 77);
    REQUIRE(finished->output.find("Skipped: no moon tonight\n") != std::string::npos);
}

// Run by the case above alone.
TEST_CASE("a case that skips itself", "[.hidden]") { skip("no moon tonight"); }

}  // namespace millrace::support
