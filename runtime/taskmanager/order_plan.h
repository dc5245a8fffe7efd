// Which splits a model in canonical order will get rows of, and by which feeds.
//
// Threads:    any; pure.
// Failure:    none.

#pragma once

#include <string_view>
#include <vector>

#include <google/protobuf/repeated_field.h>

#include "operators/learning/row_order.h"
#include "proto/control.pb.h"
#include "proto/job.pb.h"
#include "runtime/graph/job_graph.h"

namespace millrace::taskmanager {

using AssignedSplits = google::protobuf::RepeatedPtrField<proto::SourceSplits>;

// The feeds of the step that trains `model`. REQUIRES: one does, in canonical order.
[[nodiscard]] std::vector<std::uint32_t> feed_owners(const proto::Job& job,
                                                     const graph::JobGraph& graph,
                                                     std::string_view model);
// Those of `assigned` that this step reads.
[[nodiscard]] std::vector<operators::OrderPlan::Split> ordered_splits(
    const proto::Job& job, const graph::JobGraph& graph, std::string_view model,
    const AssignedSplits& assigned);

}  // namespace millrace::taskmanager
