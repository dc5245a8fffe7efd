#include "runtime/task/barrier_aligner.h"

#include <set>

#include <catch2/catch.hpp>

#include "runtime/base/random.h"

namespace millrace::task {
namespace {

using Outcome = BarrierAligner::Outcome;

data::CheckpointBarrier barrier(std::uint64_t id) {
    return {.checkpoint_id = id, .triggered_at_ms = 0};
}
Outcome aligned(std::uint64_t id) { return {.aligned = barrier(id), .given_up = {}}; }
Outcome given_up(std::uint64_t id) { return {.aligned = {}, .given_up = id}; }
const Outcome kNothing{};

TEST_CASE("BarrierAligner aligns at once when there is one channel", "[task][barrier_aligner]") {
    BarrierAligner aligner(1);
    REQUIRE(aligner.on_barrier(0, barrier(1)) == aligned(1));
    REQUIRE_FALSE(aligner.is_blocked(0));
    REQUIRE(aligner.on_barrier(0, barrier(2)) == aligned(2));
}

TEST_CASE("BarrierAligner blocks a channel until the barrier came on all",
          "[task][barrier_aligner]") {
    BarrierAligner aligner(3);
    REQUIRE(aligner.on_barrier(1, barrier(7)) == kNothing);
    REQUIRE(aligner.is_blocked(1));
    REQUIRE_FALSE(aligner.is_blocked(0));
    REQUIRE(aligner.on_barrier(0, barrier(7)) == kNothing);
    REQUIRE(aligner.is_aligning());
    REQUIRE(aligner.on_barrier(2, barrier(7)) == aligned(7));
    REQUIRE_FALSE(aligner.is_aligning());
    REQUIRE_FALSE(aligner.is_blocked(0));
    REQUIRE_FALSE(aligner.is_blocked(1));
}

TEST_CASE("BarrierAligner counts an ended channel as arrived", "[task][barrier_aligner]") {
    BarrierAligner aligner(2);
    SECTION("that ended before the barrier") {
        REQUIRE(aligner.on_end(0) == kNothing);
        REQUIRE(aligner.on_barrier(1, barrier(1)) == aligned(1));
    }
    SECTION("that ends while the others wait") {
        REQUIRE(aligner.on_barrier(1, barrier(1)) == kNothing);
        REQUIRE(aligner.on_end(0) == aligned(1));
    }
    SECTION("but aligns nothing when no barrier is on its way") {
        REQUIRE(aligner.on_end(0) == kNothing);
        REQUIRE(aligner.on_end(1) == kNothing);
        REQUIRE(aligner.have_all_ended());
    }
}

TEST_CASE("BarrierAligner gives an older checkpoint up for a newer one",
          "[task][barrier_aligner]") {
    BarrierAligner aligner(3);
    aligner.on_barrier(0, barrier(1));
    aligner.on_barrier(1, barrier(1));
    REQUIRE(aligner.on_barrier(2, barrier(2)) == given_up(1));
    REQUIRE_FALSE(aligner.is_blocked(0));
    REQUIRE(aligner.is_blocked(2));
    REQUIRE(aligner.on_barrier(0, barrier(2)) == kNothing);
    REQUIRE(aligner.on_barrier(1, barrier(2)) == aligned(2));
}

TEST_CASE("BarrierAligner ignores barriers that are too old", "[task][barrier_aligner]") {
    BarrierAligner aligner(2);
    SECTION("older than the one that is being aligned") {
        aligner.on_barrier(0, barrier(5));
        REQUIRE(aligner.on_barrier(1, barrier(4)) == kNothing);
        REQUIRE_FALSE(aligner.is_blocked(1));
        REQUIRE(aligner.on_barrier(1, barrier(5)) == aligned(5));
    }
    SECTION("not newer than the last one aligned") {
        aligner.on_barrier(0, barrier(5));
        aligner.on_barrier(1, barrier(5));
        REQUIRE(aligner.on_barrier(0, barrier(5)) == kNothing);
        REQUIRE_FALSE(aligner.is_blocked(0));
    }
    SECTION("not newer than the last one given up") {
        aligner.on_barrier(0, barrier(5));
        REQUIRE(aligner.on_abort(5) == given_up(5));
        REQUIRE(aligner.on_barrier(1, barrier(5)) == kNothing);
        REQUIRE_FALSE(aligner.is_blocked(1));
    }
}

TEST_CASE("BarrierAligner remembers an abort that comes before the barrier",
          "[task][barrier_aligner]") {
    BarrierAligner aligner(2);
    REQUIRE(aligner.on_abort(3) == kNothing);
    REQUIRE(aligner.on_barrier(0, barrier(3)) == kNothing);
    REQUIRE_FALSE(aligner.is_blocked(0));
    REQUIRE(aligner.on_barrier(0, barrier(4)) == kNothing);
    REQUIRE(aligner.on_barrier(1, barrier(4)) == aligned(4));
}

TEST_CASE("BarrierAligner leaves a newer alignment alone when an older checkpoint is aborted",
          "[task][barrier_aligner]") {
    BarrierAligner aligner(2);
    aligner.on_barrier(0, barrier(9));
    REQUIRE(aligner.on_abort(8) == kNothing);
    REQUIRE(aligner.is_blocked(0));
    REQUIRE(aligner.on_barrier(1, barrier(9)) == aligned(9));
}

// Each channel carries ascending barriers; whatever the order in which they are read, an aligned
// barrier came on every channel that had not ended, and no checkpoint is settled twice.
TEST_CASE("BarrierAligner aligns only what came everywhere, in any order",
          "[task][barrier_aligner]") {
    const auto seed = GENERATE(range(1, 200));
    CAPTURE(seed);
    Random random(static_cast<std::uint64_t>(seed));
    const std::size_t channels = 1 + random.below(5);
    BarrierAligner aligner(channels);
    std::vector<std::uint64_t> next(channels, 1);
    std::vector<std::set<std::uint64_t>> seen(channels);
    std::set<std::uint64_t> settled;
    const auto check = [&](const Outcome& outcome) {
        if (outcome.given_up) REQUIRE(settled.insert(*outcome.given_up).second);
        if (!outcome.aligned) return;
        const std::uint64_t id = outcome.aligned->checkpoint_id;
        REQUIRE(settled.insert(id).second);
        REQUIRE(*settled.rbegin() == id);
        for (std::size_t c = 0; c < channels; ++c) {
            REQUIRE((aligner.has_ended(c) || seen[c].contains(id)));
        }
    };
    for (int i = 0; i < 300 && !aligner.have_all_ended(); ++i) {
        const std::size_t c = random.below(channels);
        if (random.below(40) == 0) check(aligner.on_abort(1 + random.below(next[c] + 1)));
        if (aligner.is_blocked(c) || aligner.has_ended(c)) continue;
        if (random.below(60) == 0) {
            check(aligner.on_end(c));
            continue;
        }
        next[c] += random.below(2);
        seen[c].insert(next[c]);
        check(aligner.on_barrier(c, barrier(next[c]++)));
    }
}

}  // namespace
}  // namespace millrace::task
