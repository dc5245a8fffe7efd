// Counts calls of the global operator new, for tests that promise not to call it.
//
// Link exactly one program with heap_count.cc; the count is of the calling thread.
//
// Threads:    any; one count a thread.
// Failure:    none.

#pragma once

#include <cstdint>

namespace millrace::test {

// Calls of operator new by this thread so far.
[[nodiscard]] std::uint64_t heap_allocations();

}  // namespace millrace::test
