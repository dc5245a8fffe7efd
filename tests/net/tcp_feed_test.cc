#include "runtime/net/tcp_feed.h"

#include <array>
#include <atomic>
#include <optional>
#include <string>

#include <catch2/catch.hpp>
#include <netinet/in.h>

#include "tests/net/net_world.h"

namespace millrace::net {
namespace {

// A listening socket of the system's own.
class Server {
  public:
    Server() : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(listening_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
        REQUIRE(::listen(listening_, 4) == 0);
        socklen_t size = sizeof at;
        REQUIRE(::getsockname(listening_, reinterpret_cast<sockaddr*>(&at), &size) == 0);
        port_ = ntohs(at.sin_port);
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() {
        if (peer_ >= 0) ::close(peer_);
        ::close(listening_);
    }
    void accept() { REQUIRE((peer_ = ::accept(listening_, nullptr, nullptr)) >= 0); }
    // How much the system took at once.
    std::size_t send(const std::string& bytes) const {
        const ssize_t sent = ::send(peer_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        return sent < 0 ? 0 : static_cast<std::size_t>(sent);
    }
    void hang_up() { ::close(std::exchange(peer_, -1)); }
    [[nodiscard]] Address address() const { return {"127.0.0.1", port_}; }

  private:
    int listening_;
    int peer_ = -1;
    std::uint16_t port_ = 0;
};

// A feed whose rings the case waits for.
struct FeedWorld {
    explicit FeedWorld(const Address& address)
        : feed(loop.loop(), address, std::chrono::seconds(5), [rings = rings] { rings->put(1); }) {}
    // Reads until `size` bytes or an error came.
    Result<std::string> read(std::size_t size) {
        std::string got;
        while (got.size() < size) {
            std::array<std::byte, 1000> room{};
            MILLRACE_TRY_ASSIGN(const std::size_t bytes, feed.read(room));
            got.append(reinterpret_cast<const char*>(room.data()), bytes);
            if (bytes == 0) rings->take();
        }
        return got;
    }

    EventLoopThread loop{"feed"};
    std::shared_ptr<Mailbox<int>> rings = std::make_shared<Mailbox<int>>();
    TcpFeed feed;
};

}  // namespace

TEST_CASE("TcpFeed hands over what the server sends and rings for more", "[net][tcp_feed]") {
    Server server;
    FeedWorld world(server.address());
    server.accept();
    for (const std::string& text : {std::string("first\n"), std::string(5'000, 'x')}) {
        REQUIRE(server.send(text) == text.size());
        CHECK(world.read(text.size()) == text);
    }
    CHECK(world.feed.is_connected());
}

TEST_CASE("TcpFeed says that the server hung up, after its last bytes", "[net][tcp_feed]") {
    Server server;
    FeedWorld world(server.address());
    server.accept();
    REQUIRE(server.send("last") == 4);
    server.hang_up();
    CHECK(world.read(4) == std::string("last"));
    const auto more = world.read(1);
    REQUIRE_FALSE(more);
    CHECK(more.error().code == Code::kUnavailable);
    CHECK_THAT(more.error().message, Catch::Contains("closed the connection"));
}

TEST_CASE("TcpFeed says why it cannot connect", "[net][tcp_feed]") {
    const Address nobody = Server().address();
    FeedWorld world(nobody);
    const auto none = world.read(1);
    REQUIRE_FALSE(none);
    CHECK_FALSE(world.feed.is_connected());
    CHECK_THAT(none.error().message, Catch::Contains("cannot connect to " + nobody.to_string()) &&
                                         Catch::Contains("Connection refused"));
}

TEST_CASE("TcpFeed holds a server back that nobody reads from", "[net][tcp_feed]") {
    Server server;
    FeedWorld world(server.address());
    server.accept();
    // The system's buffers on both sides fill, and nothing else does.
    const std::string much(std::size_t{1} << 20, 'x');
    std::size_t sent = 0;
    std::size_t last = 1;
    while (last > 0 && sent < (std::size_t{256} << 20)) {
        last = server.send(much);
        sent += last;
    }
    CHECK(sent < (std::size_t{256} << 20));
    const auto all = world.read(sent);
    REQUIRE(all);
    CHECK(all->size() == sent);
}

TEST_CASE("TcpFeed may be dropped at any moment", "[net][tcp_feed]") {
    Server server;
    EventLoopThread loop("feed");
    for (int i = 0; i < 200; ++i) {
        TcpFeed feed(loop.loop(), server.address(), std::chrono::seconds(5), [] {});
        std::array<std::byte, 16> room{};
        for (int reads = 0; reads < i % 7; ++reads) (void)feed.read(room);
        if (i % 3 == 0) loop.loop().call([] {});
        server.accept();
        server.hang_up();
    }
}

}  // namespace millrace::net
