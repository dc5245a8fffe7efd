// A job reads lines from a real server, and goes on when the server comes back.

#include <algorithm>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/eventually.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace millrace::integration {
namespace {

using support::Process;

// Waits for the job to connect, sends lines, and hangs up.
class LineServer {
  public:
    LineServer() : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(listening_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
        REQUIRE(::listen(listening_, 4) == 0);
        socklen_t size = sizeof at;
        REQUIRE(::getsockname(listening_, reinterpret_cast<sockaddr*>(&at), &size) == 0);
        port_ = ntohs(at.sin_port);
    }
    LineServer(const LineServer&) = delete;
    LineServer& operator=(const LineServer&) = delete;
    ~LineServer() { ::close(listening_); }

    void serve(int from, int to) const {
        const int peer = ::accept(listening_, nullptr, nullptr);
        REQUIRE(peer >= 0);
        std::string text;
        for (int i = from; i < to; ++i) text += fmt::format("{{\"number\":{}}}\n", i);
        std::string_view left = text;
        while (!left.empty()) {
            const ssize_t sent = ::send(peer, left.data(), left.size(), MSG_NOSIGNAL);
            REQUIRE(sent > 0);
            left.remove_prefix(static_cast<std::size_t>(sent));
        }
        ::close(peer);
    }
    [[nodiscard]] std::uint16_t port() const { return port_; }

  private:
    int listening_;
    std::uint16_t port_ = 0;
};

}  // namespace

TEST_CASE("a job reads lines from a socket and connects again when the server hangs up",
          "[integration]") {
    const LineServer server;
    const support::TempDir folder;
    const auto job = folder.write("lines.yaml", fmt::format(R"(version: 1
name: lines
schemas:
  line: {{ number: int64 }}
sources:
  lines: {{ type: socket, address: "127.0.0.1:{}", format: json, schema: line }}
sinks:
  out: {{ type: print, from: lines }}
)",
                                                            server.port()));
    auto run = Process::start({.argv = {MILLRACE_BINARY, "run", job.string()}}, folder.path());
    REQUIRE(run);
    // More than the sink's buffers hold, in two connections.
    server.serve(0, 40'000);
    server.serve(40'000, 50'000);
    const auto printed = [&] {
        const std::string text = run->output();
        return std::count(text.begin(), text.end(), '\n');
    };
    CAPTURE(run->errors());
    REQUIRE(support::eventually([&] { return printed() == 50'000; }));
    std::string wanted;
    for (int i = 0; i < 50'000; ++i) wanted += fmt::format("{{\"number\":{}}}\n", i);
    REQUIRE((run->output() == wanted));
    run->terminate();
    REQUIRE(run->wait());
}

}  // namespace millrace::integration
