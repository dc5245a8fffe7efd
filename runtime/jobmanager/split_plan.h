// Which parts of the input the sources of a job read, and which subtask reads which part. Pure.
//
// Splits are resolved once, when the job is first deployed, to the place where each begins; a
// restart begins there again until checkpoints exist. Splits that are found later are added at
// their beginning. A split's index never changes, since it stands in the position of every row.
//
// Threads:    values; the control thread.
// Limits:     kSplitsMax splits a job.
// Failure:    kResourceExhausted beyond that.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "proto/control.pb.h"
#include "runtime/base/status.h"
#include "runtime/graph/job_graph.h"

namespace millrace::jobmanager {

inline constexpr std::size_t kSplitsMax = 100'000;

class SplitPlan {
  public:
    // Adds the splits of a source that are not known yet (by name) and numbers them; returns those.
    // All or none of them.
    Result<std::vector<proto::SplitAssignment>> add(std::int32_t source,
                                                    std::vector<proto::SplitAssignment> found);

    // What each subtask of `vertex`, whose root is a source, reads: split i goes to subtask i mod
    // p, counted within the source.
    [[nodiscard]] std::vector<proto::SourceSplits> assign(const graph::JobGraph& graph,
                                                          std::uint32_t vertex) const;
    // The same for a part of the source's splits, as add() returned it.
    [[nodiscard]] std::vector<proto::SourceSplits> assign(
        const graph::JobGraph& graph, std::uint32_t vertex,
        const std::vector<proto::SplitAssignment>& part) const;

    [[nodiscard]] const std::vector<proto::SplitAssignment>& splits_of(std::int32_t source) const;

  private:
    struct Known {
        std::vector<proto::SplitAssignment> splits;  // By index, which only grows.
        std::unordered_set<std::string> names;
    };

    std::map<std::int32_t, Known> by_source_;
    std::int32_t next_index_ = 0;
};

// The splits of `all` in order, in as many messages as keep each within `bytes_max`. A split that
// is longer than that goes alone.
[[nodiscard]] std::vector<proto::AddSplits> cut_to_fit(const proto::AddSplits& all,
                                                       std::size_t bytes_max);

}  // namespace millrace::jobmanager
