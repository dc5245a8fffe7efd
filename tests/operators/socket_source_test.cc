#include "operators/socket_source.h"

#include <deque>
#include <variant>

#include <catch2/catch.hpp>

#include "operator_world.h"
#include "runtime/state/memory_snapshot.h"
#include "source_runner.h"

namespace millrace::operators {
namespace {

using test::CollectingOutput;
using test::OperatorWorld;

// A server of the test: what it sends, and when it hangs up.
struct FakeServer {
    std::deque<std::string> bytes;
    bool accepts = true;
    bool is_gone = false;
    int connections = 0;

    LineConnector connector() {
        class Connection final : public LineConnection {
          public:
            explicit Connection(FakeServer& server) : server_(server) {}
            Result<std::size_t> read(std::span<char> into) override {
                if (server_.bytes.empty()) {
                    if (server_.is_gone) return fail(Code::kUnavailable, "closed by the peer");
                    return std::size_t{0};
                }
                const std::string next = server_.bytes.front();
                server_.bytes.pop_front();
                REQUIRE(next.size() <= into.size());
                std::copy(next.begin(), next.end(), into.begin());
                return next.size();
            }

            [[nodiscard]] bool is_connected() const override { return !server_.is_gone; }

          private:
            FakeServer& server_;
        };
        return [this](const std::string& address,
                      const std::function<void()>&) -> Result<std::unique_ptr<LineConnection>> {
            ++connections;
            if (!accepts) return fail(Code::kUnavailable, "cannot connect to {}", address);
            return std::make_unique<Connection>(*this);
        };
    }
};

struct SocketWorld {
    explicit SocketWorld(BatchingOptions batching = {})
        : source({.address = "feed:7000", .batching = batching},
                 std::make_unique<test::LineDecoder>(), server.connector()) {
        REQUIRE(source.open(world.context()));
    }
    ~SocketWorld() {
        out.batches.clear();
        source.close();
    }
    void start() {
        const Split split{.index = 0, .name = "feed:7000"};
        REQUIRE(source.add_splits(std::span(&split, 1)));
    }
    void step() {
        if (clock.now() >= source.next_tick()) REQUIRE(source.on_tick(out));
        REQUIRE(test::run(source, out));
    }
    // Lets time pass, and with it the linger.
    void pass(Duration time) {
        clock.advance(time);
        step();
    }

    millrace::test::ManualClock clock;
    OperatorWorld world{clock};
    FakeServer server;
    SocketSource source;
    CollectingOutput out;
};

}  // namespace

TEST_CASE("SocketSource emits lines however they are cut into packets",
          "[operators][socket_source]") {
    SocketWorld world;
    world.server.bytes = {"a\nb", "c", "\r\nd\n"};
    world.start();
    world.step();
    CHECK(world.out.batches.empty());
    world.pass(kLingerDefault);
    CHECK(world.out.rows() == std::vector<std::string>{"0:0:a", "0:1:bc", "0:2:d"});
}

TEST_CASE("SocketSource connects again with growing pauses and says why",
          "[operators][socket_source]") {
    SocketWorld world;
    world.server.accepts = false;
    world.start();
    CHECK(world.server.connections == 1);
    CHECK(world.source.trouble() == "cannot connect to feed:7000");
    world.pass(std::chrono::milliseconds(999));
    CHECK(world.server.connections == 1);
    world.pass(std::chrono::milliseconds(1));
    CHECK(world.server.connections == 2);
    world.pass(std::chrono::seconds(1));
    CHECK(world.server.connections == 2);
    world.server.accepts = true;
    world.server.bytes = {"a\n"};
    world.pass(std::chrono::seconds(1));
    CHECK(world.server.connections == 3);
    CHECK(world.source.trouble().empty());
    world.pass(kLingerDefault);
    CHECK(world.out.rows() == std::vector<std::string>{"0:0:a"});
}

TEST_CASE("SocketSource rejects the half line of a broken connection and goes on",
          "[operators][socket_source]") {
    SocketWorld world;
    world.server.bytes = {"a\nhal"};
    world.server.is_gone = true;
    world.start();
    world.step();
    CHECK(world.out.rows() == std::vector<std::string>{"0:0:a"});
    CHECK(world.out.rejected ==
          std::vector<test::Rejected>{{"cut_off", "", "", "feed:7000", {0, 1, 0}}});
    CHECK_THAT(world.source.trouble(), Catch::Contains("closed by the peer"));
    world.server.is_gone = false;
    world.server.bytes = {"b\n"};
    world.pass(SocketSource::kPauseMin);
    world.pass(kLingerDefault);
    CHECK(world.out.rows() == std::vector<std::string>{"0:0:a", "0:2:b"});
}

TEST_CASE("SocketSource rejects an over-long line", "[operators][socket_source]") {
    SocketWorld world({.record_bytes_max = 10});
    world.server.bytes = {"a\n" + std::string(500, 'x'), std::string(500, 'y') + "\nb\n"};
    world.start();
    world.step();
    world.pass(kLingerDefault);
    CHECK(world.out.rows() == std::vector<std::string>{"0:0:a", "0:2:b"});
    CHECK(world.out.rejected ==
          std::vector<test::Rejected>{{"too_long", "", "", "feed:7000", {0, 1, 0}}});
}

TEST_CASE("SocketSource counts on after a restore", "[operators][socket_source]") {
    state::MemorySnapshot snapshot;
    {
        SocketWorld world;
        world.server.bytes = {"a\nb\n"};
        world.start();
        world.step();
        world.pass(kLingerDefault);
        REQUIRE(world.source.snapshot(1, snapshot));
    }
    SocketWorld world;
    REQUIRE(world.source.restore(snapshot));
    world.server.bytes = {"c\n"};
    world.start();
    world.step();
    world.pass(kLingerDefault);
    CHECK(world.out.rows() == std::vector<std::string>{"0:2:c"});
}

}  // namespace millrace::operators
