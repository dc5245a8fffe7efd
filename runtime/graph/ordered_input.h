// Where the rows of each split come in at a step that trains in canonical order.
//
// Such a step numbers its feeds over all its inputs: what subtask s of the operator behind input i
// makes is feed (subtasks behind the inputs before i) + s. Every link on the way from the sources
// is chained or Partitioning::kSplit, so a feed carries its splits whole and in order, to one
// subtask. Pure.
//
// Threads:    values.
// Failure:    none. REQUIRES: the graph came from plan(), and the operator is_ordered.

#pragma once

#include <cstdint>
#include <vector>

#include "runtime/graph/job_graph.h"

namespace millrace::graph {

// The first feed that comes over this link.
[[nodiscard]] std::uint32_t first_feed(const JobGraph& graph, LinkIndex link);
// By feed: the subtask of operator `train` that gets it.
[[nodiscard]] std::vector<std::uint32_t> feed_owners(const JobGraph& graph, std::uint32_t train);
// The feeds that carry what subtask `subtask` of operator `source` reads; more than one when the
// stream comes by several ways, none when it does not come at all.
[[nodiscard]] std::vector<std::uint32_t> feeds_of(const JobGraph& graph, std::uint32_t train,
                                                  std::uint32_t source, std::uint32_t subtask);

}  // namespace millrace::graph
