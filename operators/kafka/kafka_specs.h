// Makes Kafka sources and sinks from their nodes in the job file.
//
// Threads:    pure, but for the clients that a source or sink opens later.
// Failure:    kInvalidArgument naming what does not fit.

#pragma once

#include "operators/registry.h"

namespace millrace::operators {

OperatorSpec kafka_source_spec();
OperatorSpec kafka_sink_spec();

}  // namespace millrace::operators
