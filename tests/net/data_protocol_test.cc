// Senders that break the rules of the data port, one rule each.
#include <catch2/catch.hpp>

#include "tests/net/data_world.h"

namespace millrace::net {
namespace {

using std::chrono::milliseconds;

constexpr DataLead kFirst{.channel = 0, .first = 0, .second = 0};

struct PortWorld {
    Station station{data_options("tm-2")};
    std::unique_ptr<RemoteGate> gate = station.gate(2, 1);
    Receiver receiver{*gate, channel(1)};
    RawSender sender{station};

    // A sender with channel 0 open and credit for two buffers.
    void open() {
        sender.hello();
        sender.open(0, channel(1));
        sender.await_credit();
    }
    void require_closed(WireFault kind) {
        sender.read_until_closed();
        REQUIRE(station.on_loop([&] { return station.plane.fault_count(kind); }) == 1);
    }
};

TEST_CASE("The data port takes a well-behaved sender", "[net][data]") {
    PortWorld world;
    world.open();
    world.sender.frame(kBufferType, kFirst, to_bytes("one"));
    world.sender.frame(kEventType, {.channel = 0, .first = 1}, to_bytes("two"));
    REQUIRE(world.receiver.take() == "one");
    REQUIRE(world.receiver.take() == "event two");
}

// From the README's grammar, written down independently in Python.
TEST_CASE("A data frame has the documented bytes", "[net][data]") {
    const auto body = to_bytes("rows");
    const auto head = make_data_head(kBufferType, {.channel = 3, .first = 7, .second = 2}, body);
    std::string hex;
    for (const std::byte b : head) hex += fmt::format("{:02x}", static_cast<unsigned>(b));
    REQUIRE(hex == "4d4c52430100110010000000067d282d030000000700000002000000");
}

TEST_CASE("The data port refuses a hello that does not fit", "[net][data]") {
    PortWorld world;
    world.station.plane.set_leader_epoch(LeaderEpoch{2});
    SECTION("another cluster") { world.sender.hello(2, "other"); }
    SECTION("an epoch that is behind") { world.sender.hello(1); }
    REQUIRE(world.sender.read_until_closed().find("MLRC") == 0);
    world.require_closed(WireFault::kHelloRefused);
}

TEST_CASE("The data port closes on frames before the hello", "[net][data]") {
    PortWorld world;
    SECTION("a buffer") { world.sender.frame(kBufferType, kFirst, to_bytes("x")); }
    SECTION("an open") { world.sender.open(0, channel(1)); }
    SECTION("a closed") { world.sender.frame(kClosedType, kFirst, {}); }
    world.require_closed(WireFault::kOutOfPlace);
}

TEST_CASE("The data port closes on bad data and fails the channel", "[net][data]") {
    PortWorld world;
    world.open();
    WireFault kind{};
    SECTION("a buffer without credit") {
        for (std::uint32_t i = 0; i < 3; ++i) {
            world.sender.frame(kBufferType, {.channel = 0, .first = i}, to_bytes("x"));
        }
        kind = WireFault::kOutOfPlace;
    }
    SECTION("a buffer larger than ours") {
        const std::vector<std::byte> large(kBufferBytes + 1);
        world.sender.frame(kBufferType, kFirst, large);
        kind = WireFault::kTooLong;
    }
    SECTION("a buffer larger than any") {
        const std::vector<std::byte> large(kDataBufferBytesMax + 1);
        world.sender.frame(kBufferType, kFirst, large);
        kind = WireFault::kTooLong;
    }
    SECTION("an empty buffer") {
        world.sender.frame(kBufferType, kFirst, {});
        kind = WireFault::kBadPayload;
    }
    SECTION("a number out of sequence") {
        world.sender.frame(kBufferType, {.channel = 0, .first = 1}, to_bytes("x"));
        kind = WireFault::kOutOfPlace;
    }
    SECTION("a flipped byte in a buffer") {
        auto body = to_bytes("rows");
        world.sender.raw(make_data_head(kBufferType, kFirst, body));
        body[2] ^= std::byte{1};
        world.sender.raw(body);
        kind = WireFault::kBadChecksum;
    }
    SECTION("an event that is too long") {
        world.sender.frame(kEventType, kFirst, std::vector<std::byte>(kEventBytesMax + 1));
        kind = WireFault::kTooLong;
    }
    SECTION("more events than the window") {
        for (std::uint32_t i = 0; i <= kEventsMax; ++i) {
            world.sender.frame(kEventType, {.channel = 0, .first = i}, to_bytes("e"));
        }
        kind = WireFault::kOutOfPlace;
    }
    world.require_closed(kind);
    REQUIRE(world.receiver.take_failure().code == Code::kCorruption);
    REQUIRE(world.gate->buffers_in_use() == 0);
}

TEST_CASE("The data port closes on a frame out of place and fails the channel", "[net][data]") {
    PortWorld world;
    world.open();
    WireFault kind{};
    SECTION("a channel that was not opened") {
        world.sender.frame(kBufferType, {.channel = 1}, to_bytes("x"));
        kind = WireFault::kOutOfPlace;
    }
    SECTION("a channel opened out of order") {
        world.sender.open(7, channel(7));
        kind = WireFault::kOutOfPlace;
    }
    SECTION("an open that is cut") {
        world.sender.frame(kOpenType, {.channel = 1}, to_bytes("short"));
        kind = WireFault::kBadPayload;
    }
    SECTION("a frame of the other side") {
        world.sender.frame(kCreditType, kFirst, {});
        kind = WireFault::kUnknownType;
    }
    SECTION("a payload shorter than the lead") {
        const auto payload = to_bytes("short");
        auto bytes = to_bytes(to_text(make_frame_header(kBufferType, payload)));
        bytes.resize(kDataHeadBytes);
        world.sender.raw(bytes);
        kind = WireFault::kBadPayload;
    }
    SECTION("a second hello") {
        world.sender.hello();
        kind = WireFault::kOutOfPlace;
    }
    world.require_closed(kind);
    REQUIRE(world.receiver.take_failure().code == Code::kCorruption);
    REQUIRE(world.gate->buffers_in_use() == 0);
}

TEST_CASE("A connection cut in the middle of a buffer leaks nothing", "[net][data]") {
    PortWorld world;
    {
        RawSender cut(world.station);
        cut.hello();
        cut.open(0, channel(1));
        cut.await_credit();
        cut.raw(make_data_head(kBufferType, kFirst, std::vector<std::byte>(1000)));
        cut.raw(std::vector<std::byte>(500));
    }
    REQUIRE(world.receiver.take_failure().code == Code::kUnavailable);
    REQUIRE(world.gate->buffers_in_use() == 0);
}

TEST_CASE("An input closed in the middle of a buffer leaves the connection whole", "[net][data]") {
    PortWorld world;
    Receiver other(*world.gate, channel(2));
    world.open();
    world.sender.open(1, channel(2));
    world.sender.await_credit();
    world.sender.frame(kBufferType, kFirst, to_bytes("whole"));
    REQUIRE(world.receiver.take() == "whole");
    const std::vector<std::byte> body(1000);
    world.sender.raw(make_data_head(kBufferType, {.channel = 0, .first = 1}, body));
    world.sender.raw(std::span(body).first(500));
    world.receiver.input.reset();
    REQUIRE(world.gate->buffers_in_use() == 2);  // The other channel's credit.
    world.sender.raw(std::span(body).subspan(500));
    // Still on its way when the sender did not know; read past.
    world.sender.frame(kBufferType, {.channel = 0, .first = 2}, to_bytes("late"));
    world.sender.frame(kEventType, {.channel = 0, .first = 3}, to_bytes("late"));
    world.sender.frame(kBufferType, {.channel = 1}, to_bytes("other"));
    REQUIRE(other.take() == "other");
}

TEST_CASE("A second sender of a channel is refused", "[net][data]") {
    PortWorld world;
    world.open();
    RawSender second(world.station);
    second.hello();
    second.open(0, channel(1));
    REQUIRE(second.read_until("has a sender already").find("already_exists") != std::string::npos);
    world.sender.frame(kBufferType, kFirst, to_bytes("first"));
    REQUIRE(world.receiver.take() == "first");
}

TEST_CASE("The data port keeps its limits", "[net][data]") {
    auto options = data_options("tm-2");
    options.connections_max = 1;
    options.pending_opens_max = 2;
    options.channels_per_connection_max = 3;
    options.connect_deadline = kPatience;
    Station station(options);
    RawSender sender(station);
    sender.hello();
    SECTION("of connections") {
        sender.read_until("mill");
        RawSender second(station);
        REQUIRE(second.read_until_closed().empty());
        REQUIRE(station.on_loop(
                    [&] { return station.plane.fault_count(WireFault::kTooManyPeers); }) == 1);
    }
    SECTION("of opens that wait") {
        for (std::uint32_t i = 0; i < 3; ++i) sender.open(i, channel(i));
        REQUIRE(sender.read_until("wait for their task").find("resource_exhausted") !=
                std::string::npos);
    }
    SECTION("of channels") {
        const auto gate = station.gate();
        std::vector<std::unique_ptr<RemoteInput>> inputs;
        for (std::uint32_t i = 0; i < 4; ++i) inputs.push_back(*gate->open_input(channel(i)));
        for (std::uint32_t i = 0; i < 4; ++i) sender.open(i, channel(i));
        REQUIRE(sender.read_until("more than 3 channels").find("resource_exhausted") !=
                std::string::npos);
        inputs.clear();
    }
}

TEST_CASE("A sender without a hello is closed at the deadline", "[net][data]") {
    auto options = data_options("tm-2");
    options.connect_deadline = milliseconds(30);
    Station station(options);
    RawSender sender(station);
    REQUIRE(sender.read_until_closed().empty());
    REQUIRE(station.on_loop([&] { return station.plane.fault_count(WireFault::kHelloLate); }) == 1);
}

}  // namespace
}  // namespace millrace::net
