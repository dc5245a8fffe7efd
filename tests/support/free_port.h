// Finds loopback TCP ports for the processes that a test starts.
//
// Ports come from 10000 to 19999: below the range from which the system picks the near end of
// outgoing connections, so that none of those takes the port before the process does.
//
// Threads:    any.
// Failure:    aborts when no port is free.

#pragma once

#include <cstdint>

namespace millrace::support {

// A port on which nobody listens now. Two calls in one process answer different ports, and tests
// that run at the same time start their search at different places.
[[nodiscard]] std::uint16_t free_port();

// True when something on 127.0.0.1 accepts connections on `port`.
[[nodiscard]] bool port_answers(std::uint16_t port);

}  // namespace millrace::support
