#include "runtime/net/control_channel.h"

#include <optional>

#include <catch2/catch.hpp>

#include "proto/control.pb.h"
#include "runtime/net/control_message.h"
#include "tests/net/net_world.h"

namespace millrace::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::vector<FrameRules::Rule> kMessages{{16, kControlPayloadBytesMax}, {17, 100}};

Hello job_manager(std::uint64_t epoch = 1) {
    return {.role = Role::kJobManager,
            .leader_epoch = LeaderEpoch{epoch},
            .cluster = "mill",
            .process_id = "jm"};
}

Hello task_manager(std::uint64_t epoch = 0) {
    return {.role = Role::kTaskManager,
            .leader_epoch = LeaderEpoch{epoch},
            .cluster = "mill",
            .process_id = "tm-1"};
}

// What the callbacks of one side said.
struct Side {
    Mailbox<ControlHandle> opened;
    Mailbox<std::pair<std::uint16_t, std::string>> messages;
    Mailbox<Error> closed;
    Mailbox<Error> failed;

    ControlCallbacks callbacks() {
        return {.on_open = [this](const ControlHandle& c) { opened.put(c); },
                .on_message =
                    [this](const ControlHandle&, std::uint16_t type, std::string_view payload) {
                        messages.put({type, std::string(payload)});
                    },
                .on_closed = [this](const ControlHandle&, const Error& e) { closed.put(e); }};
    }
};

struct ControlWorld : NetWorld {
    Side at_server;
    Side at_client;
    std::optional<ControlServer> server;
    std::optional<ControlClient> client;
    std::uint16_t port = 0;

    explicit ControlWorld(ControlLimits limits = {}, const Hello& self = job_manager()) {
        on_loop_do([&] {
            server.emplace(
                loop, clock, metrics,
                ControlServer::Options{.self = self, .messages = kMessages, .limits = limits},
                at_server.callbacks());
            REQUIRE(server->listen({"127.0.0.1", 0}));
            port = server->port();
            client.emplace(loop, clock, metrics,
                           ControlClient::Options{.messages = kMessages, .limits = limits},
                           at_client.callbacks());
        });
    }
    ~ControlWorld() {
        on_loop_do([&] {
            client.reset();
            server.reset();
        });
    }

    void connect(const Hello& hello = task_manager(), Duration deadline = kPatience) {
        on_loop_do([&] {
            client->connect({"127.0.0.1", port}, hello, deadline,
                            [this](const Error& e) { at_client.failed.put(e); });
        });
    }
    std::uint64_t faults(WireFault kind) {
        return on_loop([&] { return server->faults().count(kind); });
    }
    Status send(const ControlHandle& connection, std::uint16_t type, std::string_view payload) {
        return on_loop([&] { return connection->send(type, payload); });
    }
};

std::string framed(std::uint16_t type, std::span<const std::byte> payload) {
    return to_text(make_frame_header(type, payload)) + to_text(payload);
}

TEST_CASE("Control messages travel both ways in order", "[net][control]") {
    ControlWorld world;
    world.connect();
    const ControlHandle at_client = world.at_client.opened.take();
    const ControlHandle at_server = world.at_server.opened.take();
    REQUIRE(at_client->peer().process_id == "jm");
    REQUIRE(at_server->peer().process_id == "tm-1");
    const std::string large(1 << 20, 'x');
    for (int i = 0; i < 100; ++i) {
        REQUIRE(world.send(at_client, 17, std::to_string(i)));
        REQUIRE(world.send(at_server, 16, i == 50 ? large : std::to_string(i)));
    }
    for (int i = 0; i < 100; ++i) {
        const auto expected = std::to_string(i);
        REQUIRE(world.at_server.messages.take() == std::pair{std::uint16_t{17}, expected});
        REQUIRE(world.at_client.messages.take() ==
                std::pair{std::uint16_t{16}, i == 50 ? large : expected});
    }
}

TEST_CASE("Both ends of a control connection hear why it closed", "[net][control]") {
    ControlWorld world;
    world.connect();
    const ControlHandle at_client = world.at_client.opened.take();
    world.at_server.opened.take();
    world.on_loop_do([&] { at_client->close({Code::kCancelled, "going home"}); });
    REQUIRE(world.at_client.closed.take().message == "going home");
    REQUIRE(world.at_server.closed.take().code == Code::kUnavailable);
    REQUIRE_FALSE(world.send(at_client, 17, "late"));
    REQUIRE(world.on_loop([&] { return world.server->connection_count(); }) == 0);
}

TEST_CASE("close_when_sent delivers what is queued first", "[net][control]") {
    ControlWorld world;
    world.connect();
    const ControlHandle at_client = world.at_client.opened.take();
    const std::string large(1 << 20, 'x');
    world.on_loop_do([&] {
        for (int i = 0; i < 5; ++i) REQUIRE(at_client->send(16, large));
        at_client->close_when_sent({Code::kCancelled, "done"});
    });
    for (int i = 0; i < 5; ++i) REQUIRE(world.at_server.messages.take().second == large);
    REQUIRE(world.at_client.closed.take().message == "done");
}

TEST_CASE("A client reconnects after its connection was lost", "[net][control]") {
    ControlWorld world;
    for (int round = 0; round < 3; ++round) {
        world.connect();
        world.at_client.opened.take();
        const ControlHandle at_server = world.at_server.opened.take();
        world.on_loop_do([&] { at_server->close({Code::kCancelled, "again"}); });
        world.at_client.closed.take();
        world.at_server.closed.take();
    }
}

TEST_CASE("A hello that does not fit is refused with the reason", "[net][control]") {
    ControlWorld world({}, job_manager(5));
    Hello hello = task_manager();
    Code code = Code::kInvalidArgument;
    std::string text;
    SECTION("another protocol version") {
        hello.protocol_version = 9;
        text = "protocol versions differ: 1 here, 9 there";
    }
    SECTION("another cluster") {
        hello.cluster = "other";
        text = "clusters differ: 'mill' here, 'other' there";
    }
    SECTION("another role") {
        hello.role = Role::kJobManager;
        text = "not a JobManager and a TaskManager";
    }
    SECTION("a newer epoch than the JobManager's") {
        hello.leader_epoch = LeaderEpoch{6};
        code = Code::kStale;
        text = "has epoch 5, but 'tm-1' has followed epoch 6";
    }
    world.connect(hello);
    const Error error = world.at_client.failed.take();
    CAPTURE(error.message);
    REQUIRE(error.code == code);
    REQUIRE(error.message.find(text) != std::string::npos);
    REQUIRE(world.faults(WireFault::kHelloRefused) == 1);
    REQUIRE(world.at_server.opened.is_empty());
}

TEST_CASE("A client is told when nobody listens", "[net][control]") {
    ControlWorld world;
    world.on_loop_do([&] { world.server->stop({Code::kCancelled, "stop"}); });
    world.connect();
    const Error error = world.at_client.failed.take();
    REQUIRE(error.code == Code::kUnavailable);
    REQUIRE(error.message ==
            fmt::format("cannot connect to 127.0.0.1:{}: Connection refused", world.port));
}

TEST_CASE("A server that accepts and says nothing misses the client's deadline", "[net][control]") {
    ControlWorld world;
    TcpListener silent(world.loop);
    std::unique_ptr<TcpStream> kept;
    world.on_loop_do([&] {
        REQUIRE(silent.listen({"127.0.0.1", 0}, BindScope::kLoopback,
                              [&](auto stream) { kept = std::move(stream); }));
        world.port = silent.port();
    });
    world.connect(task_manager(), milliseconds(50));
    REQUIRE(world.at_client.failed.take().code == Code::kDeadlineExceeded);
    world.on_loop_do([&] {
        silent.stop();
        kept.reset();
    });
}

TEST_CASE("A peer without a hello is closed at the deadline", "[net][control]") {
    ControlWorld world({.hello_deadline = milliseconds(30)});
    RawPeer peer(world.port);
    REQUIRE(peer.read_until_closed().empty());
    REQUIRE(world.faults(WireFault::kHelloLate) == 1);
}

TEST_CASE("Malformed frames close a control connection and are counted", "[net][control]") {
    ControlWorld world;
    RawPeer peer(world.port);
    const std::string hello = framed(kHelloType, encode_hello(task_manager()));
    const auto [bytes, kind] = GENERATE_REF(table<std::string, WireFault>({
        {"GET / HTTP/1.1\r\n\r\n", WireFault::kBadMagic},
        {framed(17, to_bytes("early")), WireFault::kOutOfPlace},
        {framed(99, {}), WireFault::kUnknownType},
        {framed(kHelloType, to_bytes("\x01")), WireFault::kBadPayload},
        {hello + framed(17, std::vector<std::byte>(101)), WireFault::kTooLong},
        {hello + hello, WireFault::kOutOfPlace},
        {hello.substr(0, hello.size() - 1) + "X", WireFault::kBadChecksum},
    }));
    peer.send(bytes);
    peer.read_until_closed();
    REQUIRE(world.faults(kind) == 1);
}

TEST_CASE("A message at its limit passes", "[net][control]") {
    ControlWorld world;
    world.connect();
    REQUIRE(world.send(world.at_client.opened.take(), 17, std::string(100, 'm')));
    REQUIRE(world.at_server.messages.take().second.size() == 100);
}

// A message of so many bytes.
proto::ControlMessage message_of(std::size_t bytes) {
    proto::ControlMessage message;
    std::string& text = *message.mutable_deployed()->mutable_error();
    text.resize(bytes - 20, 'x');
    text.resize(text.size() + bytes - message.ByteSizeLong(), 'x');
    return message;
}

TEST_CASE("A message that cannot be sent ends the connection and says so", "[net][control]") {
    ControlWorld world;
    world.connect();
    const ControlHandle at_client = world.at_client.opened.take();
    world.on_loop_do([&] { send_or_close(*at_client, message_of(kControlPayloadBytesMax)); });
    REQUIRE(world.at_server.messages.take().second.size() == kControlPayloadBytesMax);
    world.on_loop_do([&] { send_or_close(*at_client, message_of(kControlPayloadBytesMax + 1)); });
    const Error reason = world.at_client.closed.take();
    REQUIRE(reason.code == Code::kResourceExhausted);
    REQUIRE(reason.message == "a control message of 8388609 bytes is above the limit of 8388608");
    world.at_server.closed.take();
    REQUIRE(world.at_server.messages.is_empty());
    // One that is closed already stays so.
    world.on_loop_do([&] { send_or_close(*at_client, message_of(100)); });
    REQUIRE(world.at_client.closed.is_empty());
}

TEST_CASE("A peer that does not read is closed when the queue is full", "[net][control]") {
    ControlWorld world({.send_queue_bytes_max = 20U << 20});
    RawPeer peer(world.port);
    peer.send(framed(kHelloType, encode_hello(task_manager())));
    const ControlHandle at_server = world.at_server.opened.take();
    const std::string large(1 << 20, 'x');
    Status sent;
    std::size_t queued_max = 0;
    for (int i = 0; i < 100 && sent; ++i) {
        sent = world.send(at_server, 16, large);
        queued_max = std::max(queued_max, world.on_loop([&] { return at_server->queued_bytes(); }));
    }
    REQUIRE(sent.error().code == Code::kResourceExhausted);
    REQUIRE(queued_max <= 20U << 20);
    REQUIRE(world.at_server.closed.take().code == Code::kResourceExhausted);
    REQUIRE(world.faults(WireFault::kSendQueueFull) == 1);
}

TEST_CASE("A control server takes connections up to its limit", "[net][control]") {
    ControlWorld world({.connections_max = 2});
    RawPeer one(world.port);
    RawPeer two(world.port);
    one.send(framed(kHelloType, encode_hello(task_manager())));
    two.send(framed(kHelloType, encode_hello(task_manager())));
    const ControlHandle kept = world.at_server.opened.take();
    world.at_server.opened.take();
    RawPeer three(world.port);
    REQUIRE(three.read_until_closed().empty());
    REQUIRE(world.faults(WireFault::kTooManyPeers) == 1);
    REQUIRE(kept->is_open());
}

TEST_CASE("Server and client can be destroyed with connections open", "[net][control]") {
    ControlHandle kept;
    {
        ControlWorld world;
        world.connect();
        kept = world.at_client.opened.take();
        world.on_loop_do([&] { REQUIRE(kept->send(16, std::string(1 << 20, 'x'))); });
        world.on_loop_do([&] {
            world.client->stop({Code::kCancelled, "stop"});
            kept.reset();
        });
    }
}

TEST_CASE("A hello survives its own encoding", "[net][control]") {
    const Hello hello = job_manager(1ULL << 40);
    const auto read = decode_hello(encode_hello(hello));
    REQUIRE(read);
    REQUIRE(read->cluster == hello.cluster);
    REQUIRE(read->process_id == hello.process_id);
    REQUIRE(read->role == hello.role);
    REQUIRE(read->leader_epoch == hello.leader_epoch);
}

TEST_CASE("A cut hello is refused at every length", "[net][control]") {
    const auto whole = encode_hello(job_manager());
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
        REQUIRE_FALSE(decode_hello(std::span(whole).first(bytes)));
    }
    auto longer = whole;
    longer.push_back(std::byte{0});
    REQUIRE_FALSE(decode_hello(longer));
}

}  // namespace
}  // namespace millrace::net
