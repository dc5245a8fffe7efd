// A TCP connection as a socket source sees it. The network folder, which alone may open sockets,
// implements it; main hands a connector over.
//
// Threads:    the task's; `ring` is called from the network's.
// Ownership:  the source owns its connection; destroying it closes the socket.
// Limits:     the implementation's receive buffer.
// Failure:    a connection that cannot be made or has broken is an Error of read(), kUnavailable
//             with the cause; the source connects again.

#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "runtime/base/status.h"

namespace millrace::operators {

class LineConnection {
  public:
    virtual ~LineConnection() = default;
    // Takes bytes that have come, never waits. 0 = none now: `ring` is called when there are more,
    // or when the connection breaks.
    virtual Result<std::size_t> read(std::span<char> into) = 0;
    // Whether the server has answered, so that no bytes mean that it has nothing to say.
    [[nodiscard]] virtual bool is_connected() const = 0;
};

// Starts to connect to `address` (host:port) and returns at once.
using LineConnector = std::function<Result<std::unique_ptr<LineConnection>>(
    const std::string& address, std::function<void()> ring)>;

}  // namespace millrace::operators
