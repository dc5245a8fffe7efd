// Job descriptions for tests, written as Protobuf text.
//
// Threads:    any.
// Failure:    a text that does not parse aborts the case.

#pragma once

#include <string>

#include "proto/job.pb.h"

namespace millrace::graph {

proto::Job job_from(const std::string& text);

// The labelled CTR job: source 4, predict 16, train 8, evaluate 1, with dead letters.
proto::Job ctr_job();

}  // namespace millrace::graph
