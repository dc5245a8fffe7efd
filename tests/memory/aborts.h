// Says whether a call aborts the process, by making it in a child.
//
// Threads:    call from a test's only thread.
// Failure:    a child that cannot be made counts as not aborting.

#pragma once

#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

namespace millrace::memory {

template <class Call>
[[nodiscard]] bool aborts(Call call) {
    const pid_t child = ::fork();
    if (child == 0) {
        std::signal(SIGABRT, SIG_DFL);  // Catch's own handler would report a failed case.
        ::close(STDERR_FILENO);
        call();
        ::_exit(0);
    }
    int status = 0;
    return child > 0 && ::waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGABRT;
}

}  // namespace millrace::memory
