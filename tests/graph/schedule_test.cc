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
    // Together they have too few slots, exactly enough, and more than enough: it is all the same.
    const std::uint32_t second = GENERATE(6, 8, 12);
    const std::vector<SlotOffer> offers{offer("a", 8), offer("b", second)};
    const Error error = schedule(*plan(ctr_job()), offers).error();
    REQUIRE(error.code == Code::kResourceExhausted);
    REQUIRE(error.message ==
            "job ctr needs 16 slots of one TaskManager, because its tasks share models; of 2 "
            "TaskManagers the largest has " +
                std::to_string(std::max(second, 8U)) +
                " slots, and the one with most free slots has " +
                std::to_string(std::max(second, 8U)) +
                ". Hint: start one with taskmanager.numberOfTaskSlots=16 or more (more of the same "
                "size do not help), or lower the parallelism of the job's predict and train steps");
}

TEST_CASE("Schedule says that a busy TaskManager would be large enough", "[graph][schedule]") {
    std::vector<SlotOffer> offers{offer("a", 16)};
    offers[0].free_slots.resize(12);
    const Error error = schedule(*plan(ctr_job()), offers).error();
    REQUIRE(error.message.find("the largest has 16 slots, and the one with most free slots has 12. "
                               "Hint: wait until another job ends, start one with") !=
            std::string::npos);
}

TEST_CASE("Schedule tells a number of slots with which the whole job fits", "[graph][schedule]") {
    // Beside 16 slots of tasks that share models, a source of 20.
    proto::Job job = ctr_job();
    job.mutable_sources(0)->set_parallelism(20);
    const JobGraph graph = *plan(job);
    const Error error = schedule(graph, std::vector<SlotOffer>{offer("a", 8)}).error();
    REQUIRE(error.message ==
            "job ctr needs 20 slots, 16 of them of one TaskManager, because its tasks share "
            "models; of 1 TaskManager the largest has 8 slots, and the one with most free slots "
            "has 8. Hint: start one with taskmanager.numberOfTaskSlots=20 or more (more of the "
            "same size do not help), or lower the parallelism of the job's predict and train "
            "steps");
    // In place of the small one, and beside it.
    REQUIRE(schedule(graph, std::vector<SlotOffer>{offer("b", 20)}));
    REQUIRE(schedule(graph, std::vector<SlotOffer>{offer("a", 8), offer("b", 20)}));
    REQUIRE_FALSE(schedule(graph, std::vector<SlotOffer>{offer("b", 16)}));
}

TEST_CASE("Schedule says to wait only where the whole job can fit once", "[graph][schedule]") {
    proto::Job job = ctr_job();
    job.mutable_sources(0)->set_parallelism(20);
    std::vector<SlotOffer> offers{offer("a", 16)};
    offers[0].free_slots.resize(12);
    const auto refusal = [&] { return schedule(*plan(job), offers).error().message; };
    REQUIRE_THAT(refusal(), !Catch::Contains("wait until another job ends"));
    offers.push_back(offer("b", 4));
    REQUIRE_THAT(refusal(), Catch::Contains("Hint: wait until another job ends, start one with "
                                            "taskmanager.numberOfTaskSlots=20"));
}

TEST_CASE("Schedule wants room for the other tasks once the models have theirs",
          "[graph][schedule]") {
    proto::Job job = ctr_job();
    job.mutable_sources(0)->set_parallelism(20);
    const JobGraph graph = *plan(job);
    REQUIRE(graph.slots_needed() == 20);
    REQUIRE(graph.slots_together() == 16);
    const Error error = schedule(graph, std::vector<SlotOffer>{offer("a", 16)}).error();
    REQUIRE(error.message.find("needs 20 slots, 16 of 16 are free on 1 TaskManager. Hint: start "
                               "more TaskManagers") != std::string::npos);
    REQUIRE(schedule(graph, std::vector<SlotOffer>{offer("a", 16), offer("b", 4)}));
}

TEST_CASE("Schedule refuses a job larger than all free slots with the numbers",
          "[graph][schedule]") {
    const std::vector<SlotOffer> offers{offer("a", 2)};
    const Error error = schedule(*plan(plain_job(3)), offers).error();
    REQUIRE(error.message.find("needs 3 slots, 2 of 2 are free") != std::string::npos);
}

TEST_CASE("Schedule refuses everything when there is no TaskManager", "[graph][schedule]") {
    const proto::Job job = GENERATE(ctr_job(), plain_job(3));
    const JobGraph graph = *plan(job);
    const std::string slots = std::to_string(graph.slots_needed());
    REQUIRE(schedule(graph, {}).error().message ==
            "job " + graph.job_name + " needs " + slots +
                " slots, and no TaskManager is registered. Hint: start one, for example `millrace "
                "taskmanager -D taskmanager.numberOfTaskSlots=" +
                slots + "`");
}

TEST_CASE("Schedule takes the fullest TaskManager that still has room for the models",
          "[graph][schedule]") {
    const std::vector<SlotOffer> offers{offer("huge", 64), offer("fits", 16)};
    const auto placements = *schedule(*plan(ctr_job()), offers);
    for (const Placement& p : placements) REQUIRE(p.taskmanager == 1);
}

}  // namespace
}  // namespace millrace::graph
