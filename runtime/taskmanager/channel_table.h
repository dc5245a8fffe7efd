// The channels of one attempt that have an end in this TaskManager.
//
// Both ends here: a LocalChannel, by reference. One end here: half of a remote channel, on the data
// plane.
//
// Threads:    made on the control loop, destroyed behind the tasks, to whom the ends belong.
// Ownership:  owns the channels; tasks borrow their ends, and go between hang_up() and the end.
// Limits:     one window for each channel; network buffers as the pool grants them.
// Failure:    kResourceExhausted from the network buffer pool, with the keys to raise.

#pragma once

#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "memory/buffer_requirements.h"
#include "memory/local_buffer_pool.h"
#include "memory/network_buffer_pool.h"
#include "proto/control.pb.h"
#include "runtime/data/batch_memory.h"
#include "runtime/graph/job_graph.h"
#include "runtime/graph/schedule.h"
#include "runtime/net/data_plane.h"
#include "runtime/task/channel.h"
#include "runtime/task/local_channel.h"
#include "runtime/task/remote_channel.h"
#include "runtime/taskmanager/stream_schemas.h"

namespace millrace::taskmanager {

// What one subtask lends to its channels. The memory outlives the table; the bell, too.
struct SubtaskEnds {
    data::BatchMemory* memory = nullptr;
    Waker* waker = nullptr;  // Rung when network buffers come back.
};

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
        memory::BufferSettings buffers;
        // By vertex and subtask; of this TaskManager.
        std::map<std::pair<std::uint32_t, std::uint32_t>, SubtaskEnds> ends;
    };

    ChannelTable();
    ChannelTable(const ChannelTable&) = delete;
    ChannelTable& operator=(const ChannelTable&) = delete;
    ~ChannelTable();

    Status build(const Plan& plan, memory::NetworkBufferPool& pool, net::DataPlane& data_plane);

    // Closes the ends of remote channels: from here on nothing rings the tasks. The batches that
    // came in stay where they are. REQUIRES: no worker steps a task.
    void hang_up();

    // Ends of link `link` at subtask `subtask`, ordered by the other end's subtask.
    [[nodiscard]] std::vector<task::OutputChannel*> outputs(graph::LinkIndex link,
                                                            std::uint32_t subtask) const;
    [[nodiscard]] std::vector<task::InputChannel*> inputs(graph::LinkIndex link,
                                                          std::uint32_t subtask) const;

  private:
    class Builder;

    // Buffers first, so that they go last.
    std::vector<std::unique_ptr<memory::LocalBufferPool>> partitions_;
    std::vector<std::unique_ptr<net::RemoteGate>> gates_;
    std::vector<std::unique_ptr<task::LocalChannel>> locals_;
    std::vector<std::unique_ptr<task::RemoteOutputChannel>> remote_outputs_;
    std::vector<std::unique_ptr<task::RemoteInputChannel>> remote_inputs_;
    std::map<graph::ChannelId, task::OutputChannel*> outputs_;
    std::map<graph::ChannelId, task::InputChannel*> inputs_;
};

}  // namespace millrace::taskmanager
