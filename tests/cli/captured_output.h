// Takes what the process prints while a function runs.
//
// Threads:    one; nothing else of the process may print meanwhile.
// Failure:    a case cannot go on without it, so it aborts.

#pragma once

#include <cstdio>
#include <functional>
#include <iostream>
#include <string>

#include <unistd.h>

#include "runtime/base/check.h"
#include "tests/support/temp_dir.h"

namespace millrace::cli {

struct Printed {
    std::string out;
    std::string error;
};

// Points one descriptor at a file while it lives.
class Redirection {
  public:
    Redirection(int descriptor, const std::string& path)
        : descriptor_(descriptor), saved_(::dup(descriptor)) {
        std::FILE* file = std::fopen(path.c_str(), "w");
        MILLRACE_CHECK(file != nullptr && saved_ >= 0);
        ::dup2(::fileno(file), descriptor_);
        std::fclose(file);
    }
    Redirection(const Redirection&) = delete;
    Redirection& operator=(const Redirection&) = delete;
    ~Redirection() {
        ::dup2(saved_, descriptor_);
        ::close(saved_);
    }

  private:
    const int descriptor_;
    const int saved_;
};

inline void flush_all() {
    std::cout.flush();
    std::cerr.flush();
    std::fflush(nullptr);
}

inline Printed printed_by(const std::function<void()>& fn) {
    const support::TempDir folder;
    flush_all();
    {
        const Redirection out(STDOUT_FILENO, folder / "out");
        const Redirection error(STDERR_FILENO, folder / "error");
        fn();
        flush_all();
    }
    return {.out = support::read_file(folder / "out"),
            .error = support::read_file(folder / "error")};
}

}  // namespace millrace::cli
