#include "runtime/graph/schedule.h"

#include <map>
#include <set>

#include <catch2/catch.hpp>

#include "tests/graph/job_text.h"

namespace millrace::graph {
namespace {

SlotOffer offer(std::string name, std::uint32_t slots) {
    SlotOffer made{.taskmanager = std::move(name), .free_slots = {}, .slots = slots};
    for (std::uint32_t i = 0; i < slots; ++i) made.free_slots.push_back(i);
    return made;
}

proto::Job plain_job(int parallelism) {
    proto::Job job = job_from(R"pb(
        name: "plain"
        sources {
          name: "rows"
          generate { preset: PRESET_SEQUENCE }
        }
        sinks {
          name: "out"
          from: "rows"
          discard {}
        }
    )pb");
    job.mutable_sources(0)->set_parallelism(parallelism);
    return job;
}

TEST_CASE("Schedule spreads a vertex over slots and TaskManagers", "[graph][schedule]") {
    const std::vector<SlotOffer> offers{offer("a", 4), offer("b", 2)};
    const auto placements = *schedule(*plan(plain_job(4)), offers);
    std::map<std::uint32_t, int> per_taskmanager;
    std::set<std::pair<std::uint32_t, std::uint32_t>> slots;
    for (const Placement& p : placements) {
        ++per_taskmanager[p.taskmanager];
        slots.insert({p.taskmanager, p.slot});
    }
    REQUIRE(per_taskmanager == std::map<std::uint32_t, int>{{0, 2}, {1, 2}});
    REQUIRE(slots.size() == 4);
}

TEST_CASE("Schedule keeps all tasks of a model in one TaskManager", "[graph][schedule]") {
    const std::vector<SlotOffer> offers{offer("small", 4), offer("large", 16)};
    const auto placements = *schedule(*plan(ctr_job()), offers);
    for (const Placement& p : placements) REQUIRE(p.taskmanager == 1);
}

TEST_CASE("Schedule spreads four sources over sixteen slots", "[graph][schedule]") {
    const std::vector<SlotOffer> offers{offer("large", 16)};
    std::vector<std::uint32_t> slots;
    const auto placements = *schedule(*plan(ctr_job()), offers);
    for (const Placement& p : placements) {
        if (p.vertex == 0) slots.push_back(p.slot);
    }
    REQUIRE(slots == std::vector<std::uint32_t>{0, 4, 8, 12});
}

TEST_CASE("Schedule refuses models that fit no single TaskManager and names the key",
          "[graph][schedule]") {
    const std::vector<SlotOffer> offers{offer("a", 8), offer("b", 12)};
    const Error error = schedule(*plan(ctr_job()), offers).error();
    REQUIRE(error.code == Code::kResourceExhausted);
    REQUIRE(error.message.find("needs 16 slots of one TaskManager") != std::string::npos);
    REQUIRE(error.message.find("most free slots has 12") != std::string::npos);
    REQUIRE(error.message.find("taskmanager.numberOfTaskSlots") != std::string::npos);
}

TEST_CASE("Schedule refuses a job larger than all free slots with the numbers",
          "[graph][schedule]") {
    const std::vector<SlotOffer> offers{offer("a", 2)};
    const Error error = schedule(*plan(plain_job(3)), offers).error();
    REQUIRE(error.message.find("needs 3 slots, 2 of 2 are free") != std::string::npos);
}

TEST_CASE("Schedule refuses everything when there is no TaskManager", "[graph][schedule]") {
    REQUIRE_FALSE(schedule(*plan(ctr_job()), {}));
}

TEST_CASE("Schedule takes the fullest TaskManager that still has room for the models",
          "[graph][schedule]") {
    const std::vector<SlotOffer> offers{offer("huge", 64), offer("fits", 16)};
    const auto placements = *schedule(*plan(ctr_job()), offers);
    for (const Placement& p : placements) REQUIRE(p.taskmanager == 1);
}

}  // namespace
}  // namespace millrace::graph
