#include "memory/budget.h"

#include <thread>

#include <catch2/catch.hpp>

#include "memory/memory_pool.h"
#include "memory/slot_memory.h"
#include "runtime/base/random.h"

namespace millrace::memory {
namespace {

constexpr TimePoint at(int seconds) { return TimePoint(std::chrono::seconds(seconds)); }

// A budget whose owner is the test.
class OwnBudget final : public Budget {
  public:
    explicit OwnBudget(std::size_t bytes)
        : Budget({"task region", bytes, 1, "raise taskmanager.memory.task.size."}) {}

    using Budget::close;
    using Budget::lower_limit;
    using Budget::raise_limit;
};

template <class T>
concept MovesLimits = requires(T& budget) { budget.lower_limit(1); } ||
                      requires(T& budget) { budget.raise_limit(1); };
template <class T>
concept Closes = requires(T& budget) { budget.close(); };

// What operators get, and what its owner has.
static_assert(!MovesLimits<Budget> && !MovesLimits<MemoryPool> && !MovesLimits<SlotMemory>);
static_assert(!Closes<Budget> && !Closes<MemoryPool>);
static_assert(MovesLimits<OwnBudget> && Closes<OwnBudget> && Closes<SlotMemory>);

// A budget of 1000 bytes with the owners a and b.
struct World {
    OwnBudget budget{1000};
    OwnerId a = owner("a");
    OwnerId b = owner("b");

    OwnerId owner(const std::string& name) {
        return budget.owner({"ctr", name, 0, Purpose::kQueue}).value();
    }
    Reservation take(OwnerId id, std::size_t bytes) {
        auto taken = budget.reserve(id, bytes);
        REQUIRE(taken);
        return std::move(*taken);
    }
};

// What a waiting request was told.
struct Answer {
    std::optional<Result<Reservation>> result;

    Budget::OnReserved sink() {
        return [this](Result<Reservation> given) { result.emplace(std::move(given)); };
    }
    bool is_open() const { return !result.has_value(); }
    bool is_granted() const { return result && result->has_value(); }
    bool is_refused_with(Code code) const {
        return result && !result->has_value() && result->error().code == code;
    }
};

}  // namespace

TEST_CASE("A budget interns the same tag to the same id", "[memory][budget]") {
    World w;
    CHECK(w.owner("a") == w.a);
    CHECK(w.a != w.b);
}

TEST_CASE("A budget lends its last byte and not one more", "[memory][budget]") {
    World w;
    const Reservation all = w.take(w.a, 1000);
    CHECK(w.budget.bytes_free() == 0);
    CHECK_FALSE(w.budget.reserve(w.b, 1));
}

TEST_CASE("A refusal says what was asked, what is free and who holds the rest",
          "[memory][budget]") {
    World w;
    std::vector<Reservation> held;
    for (int i = 1; i <= 6; ++i) {
        held.push_back(w.take(w.owner("h" + std::to_string(i)), static_cast<std::size_t>(i) * 40));
    }
    const auto refused = w.budget.reserve(w.a, 500);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::kResourceExhausted);
    CHECK(refused.error().message ==
          "task region has no room for ctr/a[0]/queue: requested 500 bytes, free 160 bytes of 1000 "
          "bytes; largest holders: ctr/h6[0]/queue 240 bytes, ctr/h5[0]/queue 200 bytes, "
          "ctr/h4[0]/queue 160 bytes, ctr/h3[0]/queue 120 bytes, ctr/h2[0]/queue 80 bytes. Hint: "
          "raise taskmanager.memory.task.size.");
    CHECK(w.budget.use().refusals == 1);
}

TEST_CASE("A reservation can be shrunk, moved and released once", "[memory][budget]") {
    World w;
    Reservation first = w.take(w.a, 600);
    first.shrink_to(200);
    CHECK(w.budget.bytes_in_use() == 200);
    Reservation second = std::move(first);
    CHECK(second.bytes() == 200);
    second.release();
    second.release();
    CHECK(w.budget.bytes_in_use() == 0);
}

TEST_CASE("A reservation of nothing is empty and may outlive the closing", "[memory][budget]") {
    World w;
    const Reservation none = w.take(w.a, 0);
    const auto revocable = w.budget.reserve_revocable(w.a, 0, [](std::size_t) { FAIL("asked"); });
    REQUIRE(revocable);
    CHECK(w.budget.close());
    CHECK_FALSE(w.budget.reserve(w.owner("c"), 1001));
}

TEST_CASE("A budget remembers its peak and that of each owner", "[memory][budget]") {
    World w;
    w.take(w.a, 700).release();
    const Reservation now = w.take(w.b, 100);
    const BudgetUse use = w.budget.use();
    CHECK(use.bytes_peak == 700);
    REQUIRE(use.owners.size() == 2);
    CHECK(use.owners[0].tag.operator_name == "b");
    CHECK(use.owners[1].bytes_peak == 700);
    CHECK(use.owners[1].bytes_now == 0);
}

TEST_CASE("Waiting reservations are granted in the order of asking", "[memory][budget]") {
    World w;
    Reservation held = w.take(w.a, 900);
    Answer large, small;
    REQUIRE(w.budget.reserve_within(w.b, 400, at(10), large.sink()));
    REQUIRE(w.budget.reserve_within(w.b, 50, at(10), small.sink()));
    CHECK(small.is_open());  // It would fit, but stands behind the large one.
    held.shrink_to(700);
    CHECK(large.is_open());
    held.shrink_to(600);
    CHECK(large.is_granted());
    CHECK(small.is_open());
    held.shrink_to(500);
    CHECK(small.is_granted());
    CHECK(w.budget.bytes_in_use() == 950);
}

TEST_CASE("A reservation that fits does not wait", "[memory][budget]") {
    World w;
    Answer answer;
    const auto id = w.budget.reserve_within(w.a, 1000, at(1), answer.sink());
    REQUIRE(id);
    CHECK(*id == Budget::WaitId::kNone);
    CHECK(answer.is_granted());
}

TEST_CASE("A waiting reservation fails at its deadline with the refusal's text",
          "[memory][budget]") {
    World w;
    const Reservation held = w.take(w.a, 900);
    Answer first, second;
    REQUIRE(w.budget.reserve_within(w.b, 200, at(5), first.sink()));
    REQUIRE(w.budget.reserve_within(w.b, 100, at(9), second.sink()));
    CHECK(w.budget.next_deadline().value() == at(5));
    w.budget.expire(at(4));
    CHECK(first.is_open());
    w.budget.expire(at(5));
    CHECK(first.is_refused_with(Code::kDeadlineExceeded));
    CHECK_THAT(first.result->error().message, Catch::Contains("ctr/a[0]/queue 900 bytes"));
    CHECK(second.is_granted());  // The one before it is gone.
    CHECK_FALSE(w.budget.next_deadline());
}

TEST_CASE("A cancelled request is never answered and lets the next one through",
          "[memory][budget]") {
    World w;
    const Reservation held = w.take(w.a, 900);
    Answer first, second;
    const auto id = w.budget.reserve_within(w.b, 200, at(5), first.sink());
    REQUIRE(id);
    REQUIRE(w.budget.reserve_within(w.b, 100, at(5), second.sink()));
    CHECK(w.budget.cancel(*id));
    CHECK_FALSE(w.budget.cancel(*id));
    CHECK(first.is_open());
    CHECK(second.is_granted());
}

TEST_CASE("A request that can never fit is refused instead of waiting", "[memory][budget]") {
    World w;
    Answer answer;
    CHECK_FALSE(w.budget.reserve_within(w.a, 1001, at(5), answer.sink()));
    CHECK(answer.is_open());
}

TEST_CASE("The number of waiting requests is limited", "[memory][budget]") {
    World w;
    Reservation held = w.take(w.a, 1000);
    int granted = 0;
    const auto count = [&](Result<Reservation> given) { granted += given ? 1 : 0; };
    for (std::size_t i = 0; i < Budget::kWaitersMax; ++i) {
        REQUIRE(w.budget.reserve_within(w.b, 1, at(5), count));
    }
    CHECK_FALSE(w.budget.reserve_within(w.b, 1, at(5), count));
    held.release();
    CHECK(granted == static_cast<int>(Budget::kWaitersMax));
}

TEST_CASE("The number of owners is limited", "[memory][budget]") {
    World w;
    for (std::size_t i = 2; i < Budget::kOwnersMax; ++i) w.owner(std::to_string(i));
    CHECK_FALSE(w.budget.owner({"ctr", "one more", 0, Purpose::kQueue}));
    CHECK(w.owner("a") == w.a);
}

TEST_CASE("A revocable reservation is asked for just what is missing, youngest first",
          "[memory][budget]") {
    World w;
    std::vector<std::pair<char, std::size_t>> asked;
    auto old =
        w.budget.reserve_revocable(w.a, 500, [&](std::size_t n) { asked.emplace_back('o', n); });
    auto young =
        w.budget.reserve_revocable(w.a, 300, [&](std::size_t n) { asked.emplace_back('y', n); });
    REQUIRE((old && young));
    CHECK_FALSE(w.budget.reserve(w.b, 600));
    using Asked = std::vector<std::pair<char, std::size_t>>;
    CHECK(asked == Asked{{'y', 300}, {'o', 100}});
    CHECK_FALSE(w.budget.reserve(w.b, 600));
    CHECK(asked.size() == 2);  // Asked once until it gives something back.
    young->release();
    old->shrink_to(400);
    CHECK(w.budget.reserve(w.b, 600).has_value());
}

TEST_CASE("A request succeeds when the holder gives back within the call", "[memory][budget]") {
    World w;
    Reservation lent;
    lent = std::move(*w.budget.reserve_revocable(
        w.a, 800, [&](std::size_t wanted) { lent.shrink_to(lent.bytes() - wanted); }));
    const auto got = w.budget.reserve(w.b, 500);
    REQUIRE(got);
    CHECK(lent.bytes() == 500);
}

TEST_CASE("A waiting request asks for revocation and is granted when it comes",
          "[memory][budget]") {
    World w;
    std::size_t asked = 0;
    auto lent = w.budget.reserve_revocable(w.a, 800, [&](std::size_t wanted) { asked = wanted; });
    REQUIRE(lent);
    Answer answer;
    REQUIRE(w.budget.reserve_within(w.b, 500, at(5), answer.sink()));
    CHECK(asked == 300);
    lent->shrink_to(500);
    CHECK(answer.is_granted());
}

TEST_CASE("An owner is not asked to make room for itself", "[memory][budget]") {
    World w;
    int asked = 0;
    const auto lent = w.budget.reserve_revocable(w.a, 800, [&](std::size_t) { ++asked; });
    CHECK_FALSE(w.budget.reserve(w.a, 300));
    CHECK(asked == 0);
}

TEST_CASE("Closing a budget names each leaker and keeps it", "[memory][budget]") {
    World w;
    Reservation leaked = w.take(w.a, 300);
    const Status closed = w.budget.close();
    REQUIRE_FALSE(closed);
    CHECK(closed.error().message ==
          "task region is not empty at its close; not given back: ctr/a[0]/queue 300 bytes");
    leaked.release();
    CHECK(w.budget.close());
    CHECK(w.budget.use().owners.empty());
    CHECK(w.owner("a") != w.a);  // The old id is void.
}

TEST_CASE("Closing a budget cancels those who wait", "[memory][budget]") {
    World w;
    Reservation held = w.take(w.a, 1000);
    Answer answer;
    REQUIRE(w.budget.reserve_within(w.b, 1, at(5), answer.sink()));
    CHECK_FALSE(w.budget.close());
    CHECK(answer.is_refused_with(Code::kCancelled));
}

TEST_CASE("A limit moves only within what is free, and wakes who waits", "[memory][budget]") {
    World w;
    const Reservation held = w.take(w.a, 700);
    CHECK_THAT(w.budget.lower_limit(301).error().message,
               Catch::Contains("wanted 301 bytes, free 300 bytes of 1000 bytes") &&
                   Catch::Contains("ctr/a[0]/queue 700 bytes"));
    CHECK(w.budget.lower_limit(300));
    CHECK(w.budget.bytes_limit() == 700);
    Answer answer;
    REQUIRE(w.budget.reserve_within(w.b, 200, at(5), answer.sink()));
    w.budget.raise_limit(200);
    CHECK(answer.is_granted());
}

TEST_CASE("A budget keeps its sums while threads reserve, wait and revoke", "[memory][budget]") {
    World w;
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (std::uint64_t i = 0; i < 4; ++i) {
        threads.emplace_back([&w, i] {
            Random random(i);
            const OwnerId id = w.owner("t" + std::to_string(i));
            std::atomic<int> answers{0};
            int waits = 0;
            for (int step = 0; step < 2000; ++step) {
                const std::size_t bytes = 1 + random.below(400);
                if (random.below(4) == 0) {
                    const auto wait = w.budget.reserve_within(
                        id, bytes, at(0), [&answers](const Result<Reservation>&) { ++answers; });
                    waits += wait ? 1 : 0;
                    w.budget.expire(at(1));
                } else {
                    auto held = w.budget.reserve_revocable(id, bytes, [](std::size_t) {});
                    if (held) held->shrink_to(bytes / 2);
                }
            }
            w.budget.expire(at(1));
            while (answers.load() != waits) std::this_thread::yield();
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(w.budget.bytes_in_use() == 0);
    CHECK(w.budget.close());
}

}  // namespace millrace::memory
