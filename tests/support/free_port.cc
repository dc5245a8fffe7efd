#include "tests/support/free_port.h"

#include <atomic>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/check.h"

namespace millrace::support {

namespace {

constexpr std::uint32_t kFirstPort = 10000;
constexpr std::uint32_t kPortCount = 10000;
// Process ids of tests that run side by side are near each other; this spreads them.
constexpr std::uint32_t kPidStride = 61;

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// Opens a socket, applies `call` (::bind or ::connect) to `port`, and says whether that worked.
template <class Call>
bool works_on(std::uint16_t port, Call call) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MILLRACE_CHECK_GE(fd, 0);
    const sockaddr_in address = loopback(port);
    const bool worked = call(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    ::close(fd);
    return worked;
}

}  // namespace

std::uint16_t free_port() {
    static std::atomic<std::uint32_t> next{static_cast<std::uint32_t>(::getpid()) * kPidStride};
    for (std::uint32_t i = 0; i < kPortCount; ++i) {
        const auto port = static_cast<std::uint16_t>(kFirstPort + next++ % kPortCount);
        if (works_on(port, ::bind)) {
            return port;
        }
    }
    MILLRACE_CHECK(false && "no free port between 10000 and 19999");
    return 0;
}

bool port_answers(std::uint16_t port) { return works_on(port, ::connect); }

}  // namespace millrace::support
