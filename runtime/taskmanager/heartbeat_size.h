// Keeps a heartbeat within one control message, however many tasks a TaskManager has.
//
// A heartbeat that cannot be sent would be a TaskManager that seems dead. What is left out is shown
// as it was last reported; how much that is stands in the heartbeat.
//
// Threads:    any; pure.
// Limits:     net::kControlContentBytesMax; some 60,000 subtasks.
// Failure:    none.

#pragma once

#include <cstddef>

#include "proto/control.pb.h"

namespace millrace::taskmanager {

// Takes out, from the back, as many reports of subtasks as it needs, then of models, then of memory
// pools, and counts them in the heartbeat. REQUIRES: what is left without any fits `bytes_max`.
void leave_out_what_does_not_fit(proto::Heartbeat& heartbeat, std::size_t bytes_max);

}  // namespace millrace::taskmanager
