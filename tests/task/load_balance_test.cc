#include "runtime/task/load_balance.h"

#include <algorithm>

#include <catch2/catch.hpp>

#include "runtime/base/random.h"

namespace millrace::task {
namespace {

using Loads = std::vector<TaskLoad>;
using Moves = std::vector<TaskMove>;

TEST_CASE("plan_moves() leaves one worker, and balanced ones, alone", "[task][load_balance]") {
    REQUIRE(plan_moves(Loads{{0, .9}, {0, .1}}, 1).empty());
    REQUIRE(plan_moves(Loads{{0, .5}, {1, .5}}, 2).empty());
    REQUIRE(plan_moves({}, 4).empty());
}

TEST_CASE("plan_moves() moves a task from the busiest to the idlest worker",
          "[task][load_balance]") {
    // Moving .4 leaves .5 and .5; moving .5 would leave .4 and .6.
    REQUIRE(plan_moves(Loads{{0, .5}, {0, .4}, {1, .1}}, 2) == Moves{{.task = 1, .to = 1}});
}

TEST_CASE("plan_moves() does not move for a small gain", "[task][load_balance]") {
    REQUIRE(plan_moves(Loads{{0, .50}, {0, .04}, {1, .50}}, 2).empty());
    REQUIRE(plan_moves(Loads{{0, .50}, {0, .06}, {1, .40}}, 2).size() == 1);
}

TEST_CASE("plan_moves() does not move a task that alone fills its worker", "[task][load_balance]") {
    REQUIRE(plan_moves(Loads{{0, 1.0}, {1, .1}}, 2).empty());
}

TEST_CASE("plan_moves() makes at most kMovesMax moves", "[task][load_balance]") {
    const Loads loads(10, {.worker = 0, .busy = .1});
    REQUIRE(plan_moves(loads, 8).size() == kMovesMax);
}

TEST_CASE("plan_moves() never makes the busiest worker busier, and ends", "[task][load_balance]") {
    const auto seed = GENERATE(range(1, 100));
    CAPTURE(seed);
    Random random(static_cast<std::uint64_t>(seed));
    const std::size_t workers = 2 + random.below(4);
    Loads loads;
    for (std::size_t i = 0; i < 1 + random.below(12); ++i) {
        loads.push_back({.worker = random.below(workers), .busy = random.unit() / 2});
    }
    const auto peak = [&] {
        std::vector<double> busy(workers, 0);
        for (const TaskLoad& load : loads) busy[load.worker] += load.busy;
        return *std::ranges::max_element(busy);
    };
    for (int round = 0;; ++round) {
        REQUIRE(round < 20);
        const double before = peak();
        const Moves moves = plan_moves(loads, workers);
        if (moves.empty()) break;
        for (const TaskMove& move : moves) loads[move.task].worker = move.to;
        REQUIRE(peak() <= before);
    }
}

}  // namespace
}  // namespace millrace::task
