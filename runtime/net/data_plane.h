// A TaskManager's data plane: its data port, its connections to the others, and the channels on
// them.
//
// The sending TaskManager opens one connection to each receiving one, and all channels in that
// direction share it. Each channel is opened by name: job, attempt, number. The receiver takes it
// when a task has made that input, waits a while when none has yet (tasks are deployed in any
// order), and refuses attempts and leader epochs that are behind.
//
// Threads:    any. Sockets and all else belong to the loop, which must run on a thread of its own
//             that no task runs on.
// Ownership:  borrows loop, clock and metrics, which must outlive it; outlives its channels.
// Limits:     DataPlane::Options. A connection beyond is refused.
// Failure:    the loss of a connection fails all its channels, at both ends, with the reason.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "memory/local_buffer_pool.h"
#include "memory/network_buffer_pool.h"
#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"
#include "runtime/net/data_channel.h"
#include "runtime/net/event_loop.h"
#include "runtime/net/wire_faults.h"

namespace millrace::net {

class GateState;
class PlaneState;

// The remote inputs of one task, and the buffers that they receive into: some for each input alone,
// and some floating, lent to the inputs whose senders report a backlog.
class RemoteGate {
  public:
    struct Options {
        std::string name;  // Stands in the pool's reports.
        std::uint32_t exclusive_per_channel = 2;
        std::uint32_t floating_floor = 1;  // Promised by the pool at creation.
        std::uint32_t floating_ceiling = 8;
    };

    explicit RemoteGate(std::shared_ptr<GateState> state);
    RemoteGate(const RemoteGate&) = delete;
    RemoteGate& operator=(const RemoteGate&) = delete;
    // REQUIRES: its inputs and all buffers that they gave are gone.
    ~RemoteGate();

    // Makes the input `key`: from now on a sender can open it.
    // Errors: kAlreadyExists, kStale, kResourceExhausted without its exclusive buffers.
    Result<std::unique_ptr<RemoteInput>> open_input(const ChannelKey& key);

    // Buffers on loan from the pool for this gate, wherever they are.
    [[nodiscard]] std::uint32_t buffers_in_use() const;

  private:
    const std::shared_ptr<GateState> state_;
};

class DataPlane {
  public:
    struct Options {
        std::string cluster;
        std::string process_id;
        BindScope scope = BindScope::kLoopback;
        std::size_t connections_max = 1024;    // Incoming.
        std::size_t pending_opens_max = 4096;  // Channels of one connection without an input.
        std::size_t channels_per_connection_max = 65'536;
        Duration connect_deadline = std::chrono::seconds(10);  // The hello included.
        Duration open_deadline = std::chrono::seconds(30);     // How long an open waits for a task.
    };

    DataPlane(EventLoop& loop, const Clock& clock, metrics::MetricGroup& metrics, Options options);
    DataPlane(const DataPlane&) = delete;
    DataPlane& operator=(const DataPlane&) = delete;
    // REQUIRES: all gates and outputs are gone, and the loop still runs.
    ~DataPlane();

    // Errors: those of TcpListener::listen().
    Status listen(const Address& address);
    [[nodiscard]] std::uint16_t port() const;

    // Peers and channels of an older epoch are refused from now on.
    void set_leader_epoch(LeaderEpoch epoch);
    // Channels of older attempts of `job` fail with kStale, now and from now on.
    void set_attempt(const JobId& job, Attempt attempt);
    // Forgets what set_attempt() said.
    void forget(const JobId& job);

    // Makes the sending end of `key`, and connects to the receiving TaskManager's data port unless
    // that connection stands. Never fails here: see RemoteOutput::failure().
    std::unique_ptr<RemoteOutput> open_output(const Address& receiver, const ChannelKey& key,
                                              RemoteOutput::Options options);
    // Makes a gate whose floating buffers come from `pool`.
    // Errors: kResourceExhausted.
    Result<std::unique_ptr<RemoteGate>> open_gate(memory::NetworkBufferPool& pool,
                                                  RemoteGate::Options options);

    // Fails all channels with `reason` and closes all connections; as if the process had ended.
    void close(const Error& reason);

    [[nodiscard]] std::uint64_t fault_count(WireFault fault) const;

  private:
    const std::shared_ptr<PlaneState> state_;
};

}  // namespace millrace::net
