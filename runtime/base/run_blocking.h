// Hands a piece of work to a thread that may block; what runs on a worker or a loop never does.
//
// Threads:    any may call it; the work runs on another thread, or at once on the caller's.
// Ownership:  work that is under way may outlive who asked for it, so it holds what it needs.
// Limits:     those of the pool behind it.
// Failure:    an error means that the work will not run: kResourceExhausted when too much waits
//             already, kUnavailable when the process stops. The caller must then answer whoever
//             waits for the work.

#pragma once

#include <functional>

#include "runtime/base/status.h"

namespace millrace {

using RunBlocking = std::function<Status(std::function<void()>)>;

}  // namespace millrace
