#include "runtime/taskmanager/channel_table.h"

#include <catch2/catch.hpp>

#include "operators/error_stream.h"
#include "tests/net/net_world.h"
#include "tests/support/slot_world.h"
#include "tests/task/counting_waker.h"

namespace millrace::taskmanager {
namespace {

using test::CountingWaker;
using test::SlotWorld;

// Two subtasks that send to three.
graph::JobGraph fan_out() {
    graph::JobGraph graph;
    graph.operators = {{.name = "from", .parallelism = 2, .vertex = 0},
                       {.name = "to", .parallelism = 3, .vertex = 1}};
    graph.vertices = {{.id = {}, .name = "from", .parallelism = 2, .operators = {0}, .models = {}},
                      {.id = {}, .name = "to", .parallelism = 3, .operators = {1}, .models = {}}};
    graph.links = {{.from = 0, .to = 1, .partitioning = graph::Partitioning::kRebalance}};
    return graph;
}

struct TableWorld : net::NetWorld {
    explicit TableWorld(std::uint32_t buffers = 64) {
        auto made = memory::NetworkBufferPool::create({.buffers = buffers});
        REQUIRE(made);
        pool = std::move(*made);
        on_loop_do([&] {
            plane.emplace(loop, clock, metrics,
                          net::DataPlane::Options{.cluster = "c", .process_id = "a"});
            REQUIRE(plane->listen({"127.0.0.1", 0}));
        });
    }
    ~TableWorld() {
        table.reset();
        plane.reset();
    }

    // Places subtask `i` of the receiver on TaskManager homes[i], and the senders on 0.
    Status build(const std::vector<std::uint32_t>& homes) {
        std::vector<graph::Placement> placements{{.vertex = 0, .subtask = 0},
                                                 {.vertex = 0, .subtask = 1}};
        schemas.outputs[0].main = operators::errors_schema();
        ChannelTable::Plan plan{
            .graph = graph, .schemas = schemas, .placements = {}, .window_bytes = 1 << 20};
        for (std::uint32_t i = 0; i < homes.size(); ++i) {
            placements.push_back({.vertex = 1, .subtask = i, .taskmanager = homes[i]});
        }
        plan.placements = placements;
        plan.taskmanagers = {{"127.0.0.1", plane->port()}, {"127.0.0.1", plane->port()}};
        plan.attempt = Attempt{1};
        for (std::uint32_t i = 0; i < 2; ++i) {
            plan.ends[{0, i}] = {.memory = &slot.batches(), .waker = &waker};
        }
        table.emplace();
        return table->build(plan, *pool, *plane);
    }

    SlotWorld slot;
    CountingWaker waker;
    graph::JobGraph graph = fan_out();
    StreamSchemas schemas{.outputs = std::vector<operators::OutputSchemas>(2),
                          .inputs = std::vector<std::vector<data::SchemaPtr>>(2)};
    std::unique_ptr<memory::NetworkBufferPool> pool;
    std::optional<net::DataPlane> plane;
    std::optional<ChannelTable> table;
};

TEST_CASE("ChannelTable joins every sender with every receiver of this TaskManager",
          "[taskmanager][channel_table]") {
    TableWorld world;
    REQUIRE(world.build({0, 0, 0}));
    std::vector<std::vector<task::OutputChannel*>> outputs;
    for (std::uint32_t from = 0; from < 2; ++from) {
        outputs.push_back(world.table->outputs(0, from));
        REQUIRE(outputs.back().size() == 3);
        for (task::OutputChannel* output : outputs.back()) output->attach_producer(world.waker);
    }
    for (std::uint32_t to = 0; to < 3; ++to) {
        const auto inputs = world.table->inputs(0, to);
        REQUIRE(inputs.size() == 2);
        for (std::uint32_t from = 0; from < 2; ++from) {
            inputs[from]->attach_consumer(world.waker);
            const data::Watermark sent{10 * from + to};
            outputs[from][to]->push(sent);
            REQUIRE(std::get<data::Watermark>(*inputs[from]->poll()) == sent);
            REQUIRE_FALSE(inputs[from]->poll());
        }
    }
    REQUIRE(world.pool->required() == 0);
}

TEST_CASE("ChannelTable has no channel for a link or subtask that is not here",
          "[taskmanager][channel_table]") {
    TableWorld world;
    REQUIRE(world.build({0, 0, 0}));
    REQUIRE(world.table->outputs(0, 2).empty());
    REQUIRE(world.table->outputs(1, 0).empty());
    REQUIRE(world.table->inputs(0, 3).empty());
}

TEST_CASE("ChannelTable reserves network buffers for receivers elsewhere, for each sender",
          "[taskmanager][channel_table]") {
    TableWorld world;
    REQUIRE(world.build({0, 1, 1}));
    REQUIRE(world.table->outputs(0, 0).size() == 3);
    REQUIRE(world.table->inputs(0, 0).size() == 2);
    REQUIRE(world.table->inputs(0, 1).empty());
    const memory::BufferNeed need = memory::need_of_partition({}, {.remote = 2, .local = 1});
    REQUIRE(need.required > 0);
    REQUIRE(world.pool->required() == 2 * need.required);
    world.table.reset();
    REQUIRE(world.pool->required() == 0);
}

TEST_CASE("ChannelTable is refused when the network buffers do not suffice",
          "[taskmanager][channel_table]") {
    TableWorld world(3);
    const Status refused = world.build({0, 1, 1});
    REQUIRE_FALSE(refused);
    REQUIRE(refused.error().code == Code::kResourceExhausted);
    REQUIRE_THAT(refused.error().message, Catch::Contains("from (2/2), sending to to: ") &&
                                              Catch::Contains("taskmanager.memory.network"));
}

}  // namespace
}  // namespace millrace::taskmanager
