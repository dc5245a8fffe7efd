#include "runtime/task/work_gate.h"

#include <atomic>
#include <future>
#include <memory>

#include <catch2/catch.hpp>

namespace millrace::task {
namespace {

// Work that holds something, and goes on when it is let.
struct Held {
    std::promise<void> let;
    std::shared_ptr<int> thing = std::make_shared<int>(1);

    std::function<void()> work() {
        return [go = std::make_shared<std::future<void>>(let.get_future()), thing = thing] {
            go->wait();
        };
    }
};

struct Pool {
    Pool() { pool.start(); }
    ~Pool() { pool.stop(); }

    BlockingPool pool{{.threads = 1, .queue_max = 1}};
};

TEST_CASE("WorkGate is empty at once when nothing is inside", "[task][work_gate]") {
    Pool pool;
    WorkGate gate(pool.pool);
    bool is_empty = false;
    gate.close([&] { is_empty = true; });
    CHECK(is_empty);
    const Status late = gate.entry()([] {});
    REQUIRE_FALSE(late);
    CHECK(late.error().code == Code::kUnavailable);
}

TEST_CASE("WorkGate is empty when the last work has ended and given back what it held",
          "[task][work_gate]") {
    Pool pool;
    WorkGate gate(pool.pool);
    Held held;
    REQUIRE(gate.entry()(held.work()));
    std::promise<long> users;
    gate.close([&] { users.set_value(held.thing.use_count()); });
    auto counted = users.get_future();
    CHECK(counted.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
    held.let.set_value();
    CHECK(counted.get() == 1);
}

TEST_CASE("WorkGate does not count what the pool refused", "[task][work_gate]") {
    Pool pool;
    WorkGate gate(pool.pool);
    Held held;
    Held waiting;
    REQUIRE(gate.entry()(held.work()));
    // One is with the thread, or both wait; then the queue is full.
    Status refused = gate.entry()(waiting.work());
    std::atomic<int> more{0};
    while (refused) refused = gate.entry()([&] { ++more; });
    CHECK(refused.error().code == Code::kResourceExhausted);
    std::promise<void> empty;
    gate.close([&] { empty.set_value(); });
    held.let.set_value();
    waiting.let.set_value();
    empty.get_future().wait();
}

}  // namespace
}  // namespace millrace::task
