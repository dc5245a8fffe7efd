#include "runtime/taskmanager/job_attempt.h"

#include <array>
#include <atomic>
#include <functional>

#include <catch2/catch.hpp>

#include "runtime/base/check.h"
#include "runtime/taskmanager/taskmanager.h"
#include "tests/jobmanager/jobmanager_world.h"

namespace millrace::taskmanager {
namespace {

using jobmanager::JobState;

// What the source below calls when it is destroyed; the argument says in which TaskManager.
std::function<void(std::size_t taskmanager)>& on_source_gone() {
    static std::function<void(std::size_t)> fn;
    return fn;
}

// A source that has never anything to say.
template <std::size_t kTaskManager>
class MuteSource final : public operators::Source {
  public:
    ~MuteSource() override { on_source_gone()(kTaskManager); }

    Status open(operators::OperatorContext&) override { return {}; }
    Status add_splits(std::span<const operators::Split>) override { return {}; }
    Result<operators::Progress> poll(operators::Output&) override {
        return operators::Progress::kDone;
    }
};

// The operators of the product, with that source for `generate`.
template <std::size_t kTaskManager>
operators::Registry with_mute_source() {
    operators::Registry registry;
    for (operators::OperatorSpec spec : operators::builtin_operators().specs()) {
        if (spec.type == "generate") {
            spec.make =
                [](const operators::OperatorRequest&,
                   operators::JobResources&) -> Result<std::unique_ptr<operators::Operator>> {
                return std::make_unique<MuteSource<kTaskManager>>();
            };
        }
        MILLRACE_CHECK(registry.add(spec).has_value());
    }
    return registry;
}

// A JobManager and two TaskManagers of one slot each.
struct PairWorld : jobmanager::JobManagerWorld {
    PairWorld() {
        directory.splits = {jobmanager::split_named("rows")};
        for (std::size_t i = 0; i < taskmanagers.size(); ++i) start(i);
        REQUIRE(support::eventually([&] {
            return on_loop([&] { return jobmanager->taskmanagers().slots_total() == 2; });
        }));
    }
    ~PairWorld() {
        on_loop_do([&] {
            for (auto& taskmanager : taskmanagers) taskmanager.reset();
        });
    }

    void start(std::size_t i) {
        const std::vector<memory::Setting> settings{
            {.key = "taskmanager.memory.process.size", .value = "512m"},
            {.key = "taskmanager.numberOfTaskSlots", .value = "1"}};
        auto budget = memory::MemoryBudget::derive(settings, {});
        if (!budget) FAIL(budget.error().message);
        on_loop_do([&] {
            taskmanagers[i].emplace(loop, clock, registry, operators[i],
                                    TaskManager::Options{.jobmanager = {"127.0.0.1", port},
                                                         .id = id_of(i),
                                                         .version = "1.2.3",
                                                         .memory = std::move(*budget)});
            REQUIRE(taskmanagers[i]->start());
        });
    }
    static std::string id_of(std::size_t i) { return "tm-" + std::to_string(i); }

    // Whether pools of this TaskManager hold a promise of network buffers.
    bool has_network_pools(std::size_t i) {
        const std::string name = "flink_taskmanager_Status_Shuffle_Netty_RequestedMemoryUsage";
        const std::string none = fmt::format("{}{{tm_id=\"{}\"}} 0\n", name, id_of(i));
        return registry.to_prometheus().find(none) == std::string::npos;
    }

    std::array<operators::Registry, 2> operators{with_mute_source<0>(), with_mute_source<1>()};
    std::array<std::optional<TaskManager>, 2> taskmanagers;
};

// One subtask that sends to two, so that one of them is elsewhere.
proto::Job exchange_job() {
    return graph::job_from(R"pb(
        name: "exchange"
        sources {
          name: "rows"
          parallelism: 1
          generate { preset: PRESET_SEQUENCE seed: 1 }
        }
        steps {
          name: "kept"
          from: "rows"
          parallelism: 2
          filter { where: "value >= 0" }
        }
        sinks {
          name: "out"
          from: "kept"
          discard {}
        })pb");
}

}  // namespace

TEST_CASE("JobAttempt lets the network ring no task that is being taken down", "[taskmanager]") {
    std::atomic<int> gone{0};
    std::atomic<int> gone_while_rung{0};
    PairWorld world;
    on_source_gone() = [&](std::size_t taskmanager) {
        // Its output goes through a pool, which rings the task when a buffer comes back.
        if (world.has_network_pools(taskmanager)) ++gone_while_rung;
        ++gone;
    };
    const JobId id = world.must_submit(exchange_job());
    REQUIRE(world.comes_to(id, JobState::kRunning));
    REQUIRE((world.has_network_pools(0) && world.has_network_pools(1)));
    REQUIRE(world.on_loop([&] { return world.jobmanager->cancel(id); }));
    REQUIRE(world.comes_to(id, JobState::kCanceled));
    REQUIRE(gone == 1);
    REQUIRE(gone_while_rung == 0);
}

}  // namespace millrace::taskmanager
