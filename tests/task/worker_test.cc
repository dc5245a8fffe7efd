#include <array>
#include <atomic>
#include <chrono>
#include <ctime>
#include <fstream>
#include <functional>
#include <thread>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "runtime/base/random.h"
#include "runtime/task/worker_pool.h"
#include "tests/support/eventually.h"

namespace millrace::task {
namespace {

using std::chrono::milliseconds;
using Next = StepResult::Next;

// Calls a function as its step; gone when told.
class Loop final : public Schedulable {
  public:
    explicit Loop(std::function<StepResult(TimePoint)> step) : step_(std::move(step)) {}

    StepResult step(TimePoint now) override {
        if (ends_.load()) return {.next = Next::kGone};
        return step_(now);
    }
    void left() noexcept override {
        has_left_.store(true);
        has_left_.notify_all();
    }
    void end() {
        ends_.store(true);
        wake();
    }
    void wait_until_left() const { has_left_.wait(false); }
    [[nodiscard]] bool has_left() const { return has_left_.load(); }

  private:
    std::function<StepResult(TimePoint)> step_;
    std::atomic<bool> ends_{false};
    std::atomic<bool> has_left_{false};
};

// A started pool that ends its loops and stops when it goes out of scope.
class RunningPool {
  public:
    explicit RunningPool(std::size_t workers) : pool_(clock_, workers) { pool_.start(); }
    ~RunningPool() {
        for (Loop* loop : loops_) loop->end();
        pool_.stop();
    }
    void add(Loop& loop) {
        loops_.push_back(&loop);
        pool_.add(loop);
    }
    WorkerPool& pool() { return pool_; }
    const Clock& clock() { return clock_; }

  private:
    SystemClock clock_;
    WorkerPool pool_;
    std::vector<Loop*> loops_;
};

double process_cpu_seconds() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

TEST_CASE("A task is stepped once when it is added, and then when it is rung", "[task][worker]") {
    std::atomic<int> steps{0};
    Loop loop([&](TimePoint) {
        steps.fetch_add(1);
        steps.notify_all();
        return StepResult{};
    });
    RunningPool running(2);
    running.add(loop);
    steps.wait(0);
    const int before = steps.load();
    loop.wake();
    for (int n = steps.load(); n == before; n = steps.load()) steps.wait(n);
    REQUIRE(steps.load() >= before + 1);
}

TEST_CASE("A task that is not finished is stepped again at once", "[task][worker]") {
    std::atomic<int> steps{0};
    Loop loop([&](TimePoint) {
        const bool is_last = steps.fetch_add(1) + 1 == 1000;
        return StepResult{.next = is_last ? Next::kGone : Next::kAgain, .worked = true};
    });
    RunningPool running(1);
    running.add(loop);
    loop.wait_until_left();
    REQUIRE(steps.load() == 1000);
}

TEST_CASE("A task is stepped when its time has come, not before", "[task][worker]") {
    SystemClock clock;
    std::atomic<int> early{0};
    std::atomic<int> ticks{0};
    TimePoint due{};
    Loop loop([&](TimePoint now) {
        if (now < due) early.fetch_add(1);
        if (ticks.fetch_add(1) + 1 == 20) return StepResult{.next = Next::kGone};
        due = now + milliseconds(2);
        return StepResult{.wake_at = due};
    });
    const TimePoint begin = clock.now();
    RunningPool running(2);
    running.add(loop);
    loop.wait_until_left();
    REQUIRE(clock.now() - begin >= milliseconds(19 * 2));
    REQUIRE(early.load() <= 1);  // Moving home would step it once more.
}

TEST_CASE("A busy task does not starve its neighbours on the same worker", "[task][worker]") {
    SystemClock clock;
    std::atomic<bool> is_done{false};
    Loop busy([&](TimePoint now) {
        while (clock.now() < now + kSlice && !is_done.load()) {
        }
        return StepResult{.next = Next::kAgain, .worked = true};
    });
    std::atomic<int> steps{0};
    Loop other([&](TimePoint) {
        if (steps.fetch_add(1) + 1 == 100) is_done.store(true);
        return StepResult{.next = is_done.load() ? Next::kGone : Next::kAgain, .worked = true};
    });
    RunningPool running(1);
    running.add(busy);
    running.add(other);
    other.wait_until_left();
    REQUIRE(steps.load() == 100);
}

// One side sends a number and rings; the other answers it. Pauses of all lengths let the worker be
// caught walking, spinning, falling asleep and sleeping. A lost ring would hang the test.
TEST_CASE("No ring is lost, whatever the worker is doing", "[task][worker][threads]") {
    std::atomic<std::uint64_t> asked{0};
    std::atomic<std::uint64_t> answered{0};
    Loop loop([&](TimePoint) {
        const std::uint64_t question = asked.load(std::memory_order_relaxed);
        const bool is_new = answered.exchange(question) != question;
        answered.notify_all();
        if (is_new) loop.wake();  // Its worker is awake.
        return StepResult{.worked = is_new};
    });
    RunningPool running(1);
    running.add(loop);
    std::uint64_t asks = 0;
    const auto ask = [&] {
        asked.store(++asks, std::memory_order_relaxed);
        loop.wake();
        for (std::uint64_t seen = answered.load(); seen < asks; seen = answered.load()) {
            answered.wait(seen);
        }
    };
    Random random(1);
    for (int i = 0; i < 20'000; ++i) {
        ask();
        const std::uint64_t pause =
            random.below(100) < 95 ? random.below(200) : random.below(40'000);
        for (std::uint64_t n = 0; n < pause; ++n)
            std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    REQUIRE(answered.load() == 20'000);
    // It was caught asleep, or is once it had nothing to do for long enough.
    const Sleeper& sleeper = running.pool().workers()[0]->sleeper();
    REQUIRE(support::eventually([&] {
        ask();
        return sleeper.rings() > 0;
    }));
    // None of its own rings was worth a system call; its arrival may have been.
    REQUIRE(sleeper.rings() <= asks + 1);
}

TEST_CASE("A ring that comes during the last look for work ends the sleep", "[task][worker]") {
    Sleeper sleeper;
    // The look finds nothing, and right after it the ringer comes.
    sleeper.sleep(std::chrono::hours(1), [&] {
        sleeper.ring();
        return false;
    });
    REQUIRE(sleeper.rings() == 1);
}

TEST_CASE("Nobody pays for a bell while the sleeper is awake", "[task][worker]") {
    Sleeper sleeper;
    sleeper.ring();
    sleeper.sleep(std::chrono::hours(1), [] { return true; });
    sleeper.ring();
    REQUIRE(sleeper.rings() == 0);
}

TEST_CASE("Many ringers lose no ring", "[task][worker][threads]") {
    constexpr int kRingers = 3;
    constexpr std::uint64_t kEach = 20'000;
    std::atomic<std::uint64_t> left{0};
    std::atomic<std::uint64_t> taken{0};
    Loop loop([&](TimePoint) {
        const std::uint64_t here = left.exchange(0, std::memory_order_relaxed);
        taken.fetch_add(here);
        taken.notify_all();
        return StepResult{.worked = here > 0};
    });
    RunningPool running(2);
    running.add(loop);
    std::vector<std::thread> ringers;
    ringers.reserve(kRingers);
    for (int r = 0; r < kRingers; ++r) {
        ringers.emplace_back([&] {
            for (std::uint64_t i = 0; i < kEach; ++i) {
                left.fetch_add(1, std::memory_order_relaxed);
                loop.wake();
            }
        });
    }
    for (std::thread& ringer : ringers) ringer.join();
    for (std::uint64_t n = taken.load(); n < kRingers * kEach; n = taken.load()) taken.wait(n);
    REQUIRE(taken.load() == kRingers * kEach);
}

TEST_CASE("Workers without work use no processor time", "[task][worker][threads]") {
    std::atomic<int> ticks{0};
    Loop idle([](TimePoint) { return StepResult{}; });
    Loop ticking([&](TimePoint now) {
        ticks.fetch_add(1);
        ticks.notify_all();
        return StepResult{.wake_at = now + milliseconds(50)};
    });
    RunningPool running(2);
    running.add(idle);
    running.add(ticking);
    const auto wait_for = [&](int count) {
        for (int n = ticks.load(); n < count; n = ticks.load()) ticks.wait(n);
    };
    wait_for(2);
    const double before = process_cpu_seconds();
    wait_for(12);  // Half a second later.
    REQUIRE(process_cpu_seconds() - before < 0.02);
}

TEST_CASE("Tasks that share a worker while another one idles come apart", "[task][worker]") {
    SystemClock clock;
    std::array<std::atomic<pid_t>, 2> threads{};
    std::atomic<bool> were_together{false};
    std::atomic<bool> are_apart{false};
    const auto spin = [&](std::size_t i, TimePoint now) {
        threads[i].store(gettid());
        const pid_t other = threads[1 - i].load();
        if (other == gettid()) were_together.store(true);
        if (other != 0 && other != gettid()) {
            are_apart.store(true);
            are_apart.notify_all();
        }
        while (clock.now() < now + kSlice) {
        }
        return StepResult{.next = Next::kAgain, .worked = true};
    };
    Loop first([&](TimePoint now) { return spin(0, now); });
    Loop idle([](TimePoint) { return StepResult{}; });
    Loop second([&](TimePoint now) { return spin(1, now); });
    RunningPool running(2);
    // Seated by the number of tasks, so the two busy ones come to the same worker.
    running.add(first);
    running.add(idle);
    running.add(second);
    are_apart.wait(false);
    REQUIRE(were_together.load());
}

TEST_CASE("A worker's thread carries its name", "[task][worker]") {
    std::atomic<bool> is_named{false};
    Loop loop([&](TimePoint) {
        std::string name;
        std::getline(std::ifstream("/proc/thread-self/comm"), name);
        is_named.store(name.starts_with("worker-"));
        return StepResult{.next = Next::kGone};
    });
    RunningPool running(2);
    running.add(loop);
    loop.wait_until_left();
    REQUIRE(is_named.load());
}

TEST_CASE("stop() waits until every task has left, and may be repeated", "[task][worker]") {
    SystemClock clock;
    WorkerPool pool(clock, 2);
    pool.start();
    std::vector<std::unique_ptr<Loop>> loops;
    for (int i = 0; i < 50; ++i) {
        loops.push_back(std::make_unique<Loop>([](TimePoint) { return StepResult{}; }));
        pool.add(*loops.back());
    }
    for (auto& loop : loops) loop->end();
    pool.stop();
    for (auto& loop : loops) REQUIRE(loop->has_left());
    pool.stop();
}

TEST_CASE("A task may be destroyed as soon as it has left", "[task][worker][threads]") {
    RunningPool running(2);
    for (int i = 0; i < 500; ++i) {
        auto loop = std::make_unique<Loop>([](TimePoint) { return StepResult{}; });
        running.pool().add(*loop);
        loop->end();
        loop->wait_until_left();
    }
}

}  // namespace
}  // namespace millrace::task
