#include "runtime/jobmanager/taskmanager_registry.h"

#include <catch2/catch.hpp>

namespace millrace::jobmanager {
namespace {

constexpr JobId kJob{1, 2};
constexpr JobId kOther{3, 4};

proto::RegisterTaskManager taskmanager(const std::string& id, int slots) {
    proto::RegisterTaskManager description;
    description.set_taskmanager_id(id);
    description.set_slots(slots);
    return description;
}

TEST_CASE("TaskManagerRegistry offers the slots that nobody holds", "[jobmanager][registry]") {
    TaskManagerRegistry registry;
    REQUIRE(registry.add(taskmanager("a", 3), nullptr, 0));
    REQUIRE(registry.add(taskmanager("b", 1), nullptr, 0));
    REQUIRE(registry.slots_total() == 4);
    registry.take("a", 1, kJob);
    registry.take("a", 1, kJob);
    REQUIRE(registry.slots_free() == 3);
    const auto offers = registry.offers();
    REQUIRE(offers.size() == 2);
    REQUIRE(offers[0].taskmanager == "a");
    REQUIRE(offers[0].slots == 3);
    REQUIRE(offers[0].free_slots == std::vector<std::uint32_t>{0, 2});
}

TEST_CASE("TaskManagerRegistry frees the slots of one job alone", "[jobmanager][registry]") {
    TaskManagerRegistry registry;
    REQUIRE(registry.add(taskmanager("a", 2), nullptr, 0));
    registry.take("a", 0, kJob);
    registry.take("a", 1, kOther);
    registry.release(kJob);
    REQUIRE(registry.offers()[0].free_slots == std::vector<std::uint32_t>{0});
    registry.release(kJob);
    REQUIRE(registry.slots_free() == 1);
}

TEST_CASE("TaskManagerRegistry forgets a TaskManager with its slots", "[jobmanager][registry]") {
    TaskManagerRegistry registry;
    REQUIRE(registry.add(taskmanager("a", 2), nullptr, 0));
    registry.take("a", 0, kJob);
    registry.remove("a");
    registry.remove("a");
    REQUIRE(registry.find("a") == nullptr);
    REQUIRE(registry.slots_total() == 0);
    REQUIRE(registry.add(taskmanager("a", 2), nullptr, 0));
    REQUIRE(registry.slots_free() == 2);
}

TEST_CASE("TaskManagerRegistry names those that were silent for too many checks",
          "[jobmanager][registry]") {
    TaskManagerRegistry registry;
    REQUIRE(registry.add(taskmanager("a", 1), nullptr, 0));
    REQUIRE(registry.check(3).empty());
    REQUIRE(registry.add(taskmanager("b", 1), nullptr, 0));
    REQUIRE(registry.check(3).empty());
    REQUIRE(registry.check(3) == std::vector<std::string>{"a"});
    registry.find("a")->checks_silent = 0;
    REQUIRE(registry.check(3) == std::vector<std::string>{"b"});
}

TEST_CASE("TaskManagerRegistry refuses what it cannot keep", "[jobmanager][registry]") {
    TaskManagerRegistry registry;
    const auto code_of = [&](const std::string& id, int slots) {
        const Status added = registry.add(taskmanager(id, slots), nullptr, 0);
        return added ? std::optional<Code>() : added.error().code;
    };
    REQUIRE(code_of("a", 0) == Code::kInvalidArgument);
    REQUIRE(code_of("a", 4097) == Code::kInvalidArgument);
    REQUIRE(code_of("a", 4096) == std::nullopt);
    REQUIRE(code_of("a", 1) == Code::kAlreadyExists);
    for (std::size_t i = 1; i < TaskManagerRegistry::kTaskManagersMax; ++i) {
        REQUIRE(code_of("tm" + std::to_string(i), 1) == std::nullopt);
    }
    REQUIRE(code_of("one more", 1) == Code::kResourceExhausted);
}

}  // namespace
}  // namespace millrace::jobmanager
