// The channels of one attempt that have an end in this TaskManager.
//
// Both ends here: a LocalChannel, by reference. One end here: half of a remote channel, on the data plane.
//
// Threads:    made and destroyed on the control loop; the ends belong to tasks.
// Ownership:  owns the channels; tasks borrow their ends and go first.
// Limits:     one window for each channel; network buffers as the pool grants them.
// Failure:    kResourceExhausted from the network buffer pool, with the keys to raise.

#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "memory/network_buffer_pool.h"
#include "proto/control.pb.h"
#include "runtime/graph/job_graph.h"
#include "runtime/graph/schedule.h"
#include "runtime/net/data_plane.h"
#include "runtime/task/channel.h"
#include "runtime/taskmanager/stream_schemas.h"

namespace millrace::taskmanager {

class ChannelTable {
  public:
    struct Plan {
        const graph::JobGraph& graph;
        const StreamSchemas& schemas;
        std::span<const graph::Placement> placements;
        std::vector<net::Address> taskmanagers;
        std::uint32_t self = 0;
        JobId job;
        Attempt attempt{};
        std::size_t window_bytes = 0;  // Of each local channel.
    };

    ChannelTable();
    ~ChannelTable();

    Status build(const Plan& plan, memory::NetworkBufferPool& buffers, net::DataPlane& data_plane);

    // Ends of link `link` at subtask `subtask`, ordered by the other end's subtask.
    [[nodiscard]] std::vector<task::OutputChannel*> outputs(graph::LinkIndex link, std::uint32_t subtask) const;
    [[nodiscard]] std::vector<task::InputChannel*> inputs(graph::LinkIndex link, std::uint32_t subtask) const;

  private:
    struct Remote;

    std::vector<std::unique_ptr<Remote>> remotes_;
    std::map<graph::ChannelId, std::unique_ptr<task::OutputChannel>> owned_outputs_;
    std::map<graph::ChannelId, std::unique_ptr<task::InputChannel>> owned_inputs_;
    std::map<graph::ChannelId, task::OutputChannel*> outputs_;
    std::map<graph::ChannelId, task::InputChannel*> inputs_;
    std::vector<std::unique_ptr<task::InputChannel>> locals_;
};

}  // namespace millrace::taskmanager
