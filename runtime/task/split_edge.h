// Sends everything that a subtask makes to one subtask downstream: subtask s of p to s mod q of q.
//
// So the rows of a split, which one subtask of the source reads, stay together and in their order,
// and each channel with rows carries what one subtask made. With q above p the others get nothing
// but control elements, which go to all.
//
// Threads:    the task's.
// Ownership:  borrows the channels.
// Limits:     none of its own.
// Failure:    a channel's own reason.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/task/output_edge.h"

namespace millrace::task {

// One channel a subtask downstream, in order; `subtask` is the one that sends.
std::unique_ptr<OutputEdge> make_split_edge(const std::vector<OutputChannel*>& channels,
                                            std::uint32_t subtask);

}  // namespace millrace::task
