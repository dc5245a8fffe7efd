// Names the machine that a benchmark runs on.
//
// Threads:    any.
// Failure:    "unknown processor".

#pragma once

#include <string>

namespace millrace::bench {

// "AMD EPYC, 2 cores", for the heading of a benchmark's output.
[[nodiscard]] std::string machine();

}  // namespace millrace::bench
