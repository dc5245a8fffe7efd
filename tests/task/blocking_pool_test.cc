#include "runtime/task/blocking_pool.h"

#include <atomic>
#include <latch>

#include <catch2/catch.hpp>

namespace millrace::task {
namespace {

TEST_CASE("BlockingPool runs all that was submitted before stop() returns",
          "[task][blocking_pool]") {
    BlockingPool pool({.threads = 3, .queue_max = 1000});
    pool.start();
    std::atomic<int> ran{0};
    for (int i = 0; i < 500; ++i) REQUIRE(pool.submit([&] { ran.fetch_add(1); }).has_value());
    pool.stop();
    REQUIRE(ran.load() == 500);
    pool.stop();  // Idempotent.
}

TEST_CASE("BlockingPool refuses work when its queue is full", "[task][blocking_pool]") {
    BlockingPool pool({.threads = 1, .queue_max = 2});
    pool.start();
    std::latch is_running(1);
    std::latch may_end(1);
    const auto hold = [&] {
        is_running.count_down();
        may_end.wait();
    };
    REQUIRE(pool.submit(hold).has_value());
    is_running.wait();
    REQUIRE(pool.submit([] {}).has_value());
    REQUIRE(pool.submit([] {}).has_value());
    REQUIRE(pool.waiting() == 2);
    const Status refused = pool.submit([] {});
    may_end.count_down();
    pool.stop();
    REQUIRE_FALSE(refused.has_value());
    REQUIRE(refused.error().code == Code::kResourceExhausted);
}

TEST_CASE("BlockingPool takes nothing before start() and after stop()", "[task][blocking_pool]") {
    BlockingPool pool({.threads = 1, .queue_max = 2});
    REQUIRE(pool.submit([] {}).error().code == Code::kUnavailable);
    pool.start();
    pool.stop();
    REQUIRE(pool.submit([] {}).error().code == Code::kUnavailable);
}

}  // namespace
}  // namespace millrace::task
