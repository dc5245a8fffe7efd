// Opens the connections of socket sources: the network folder's sockets behind the operators'
// interface.
//
// Threads:    the connector may be called by any task; each connection is that task's.
// Ownership:  borrows the network's loop, which outlives every source.
// Limits:     kConnectMax to connect.
// Failure:    kInvalidArgument for what is no address; the rest comes from the connection's read().

#pragma once

#include <chrono>

#include "operators/line_connection.h"
#include "runtime/base/clock.h"
#include "runtime/net/event_loop.h"

namespace millrace::taskmanager {

inline constexpr Duration kConnectMax = std::chrono::seconds(10);

[[nodiscard]] operators::LineConnector line_connector(net::EventLoop& network);

}  // namespace millrace::taskmanager
