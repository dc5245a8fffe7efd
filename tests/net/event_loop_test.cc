#include "runtime/net/event_loop.h"

#include <csignal>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/net/net_world.h"

namespace millrace::net {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST_CASE("EventLoop runs what is posted in order", "[net][event_loop]") {
    EventLoop loop;
    std::vector<int> seen;
    for (int i = 0; i < 3; ++i) loop.post([&, i] { seen.push_back(i); });
    loop.post([&] { loop.stop(); });
    loop.run("net");
    REQUIRE(seen == std::vector{0, 1, 2});
}

TEST_CASE("EventLoop runs timers by their time", "[net][event_loop]") {
    EventLoop loop;
    std::vector<int> seen;
    const TimePoint begin = SystemClock().now();
    loop.post_after(milliseconds(20), [&] {
        seen.push_back(2);
        loop.stop();
    });
    loop.post_after(milliseconds(1), [&] { seen.push_back(1); });
    loop.run("net");
    REQUIRE(seen == std::vector{1, 2});
    REQUIRE(SystemClock().now() - begin >= milliseconds(20));
}

TEST_CASE("EventLoop forgets a cancelled timer", "[net][event_loop]") {
    EventLoop loop;
    bool ran = false;
    const TimerId id = loop.post_after(milliseconds(1), [&] { ran = true; });
    loop.post_after(milliseconds(5), [&] { loop.stop(); });
    loop.cancel(id);
    loop.run("net");
    REQUIRE_FALSE(ran);
}

TEST_CASE("A timer cancelled when its time has come does not run", "[net][event_loop]") {
    EventLoop loop;
    bool ran = false;
    TimerId second{};
    loop.post_after(milliseconds(1), [&] {
        // Both are due before the loop looks again.
        const TimePoint due = SystemClock().now() + milliseconds(5);
        while (SystemClock().now() < due) {
        }
        loop.cancel(second);
        loop.post([&] { loop.stop(); });
    });
    second = loop.post_after(milliseconds(2), [&] { ran = true; });
    loop.run("net");
    REQUIRE_FALSE(ran);
}

TEST_CASE("EventLoop takes posts, timers and calls from other threads", "[net][event_loop]") {
    EventLoopThread thread("net");
    Mailbox<bool> came;
    thread.loop().post([&] { came.put(thread.loop().is_current_thread()); });
    REQUIRE(came.take());
    thread.loop().post_after(milliseconds(1), [&] { came.put(true); });
    REQUIRE(came.take());
    int value = 0;
    thread.loop().call([&] { value = 7; });
    REQUIRE(value == 7);
    REQUIRE_FALSE(thread.loop().is_current_thread());
}

TEST_CASE("EventLoop can run again after it stopped", "[net][event_loop]") {
    EventLoop loop;
    loop.stop();
    loop.run("net");
    bool ran = false;
    loop.post([&] {
        ran = true;
        loop.stop();
    });
    loop.run("net");
    REQUIRE(ran);
}

TEST_CASE("EventLoop is destroyed with timers pending", "[net][event_loop]") {
    auto token = std::make_shared<int>(1);
    {
        EventLoop loop;
        loop.post_after(hours(1), [token] {});
        loop.post([token] {});
    }
    REQUIRE(token.use_count() == 1);
}

TEST_CASE("EventLoop reports stop signals instead of dying of them", "[net][event_loop]") {
    EventLoop loop;
    std::vector<int> signals;
    loop.watch_stop_signals([&](int signal) {
        signals.push_back(signal);
        if (signals.size() == 2) {
            loop.stop();
        } else {
            std::raise(SIGINT);
        }
    });
    loop.post([] { std::raise(SIGTERM); });
    loop.run("net");
    REQUIRE(signals == std::vector{SIGTERM, SIGINT});
}

}  // namespace
}  // namespace millrace::net
