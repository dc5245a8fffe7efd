#include "runtime/taskmanager/deployment_need.h"

#include <numeric>

#include <catch2/catch.hpp>

#include "runtime/jobfile/validate.h"
#include "tests/graph/job_text.h"
#include "tests/support/temp_dir.h"

namespace millrace::taskmanager {
namespace {

using Catch::Contains;

constexpr std::size_t kPage = std::size_t{32} << 10;
constexpr std::size_t kMiB = std::size_t{1} << 20;

proto::Job shipped_ctr_job() {
    const std::string text =
        support::read_file(std::string(MILLRACE_SOURCE_DIR) + "/jobs/ctr.yaml");
    const jobfile::Validation validation =
        jobfile::validate({{.name = "ctr.yaml", .text = text}}, {});
    REQUIRE(validation.job != nullptr);
    return *validation.job;
}

// Everything in one TaskManager: subtask i of p in slot i * slots / p.
std::vector<graph::Placement> together(const graph::JobGraph& graph) {
    graph::SlotOffer offer{.taskmanager = "a", .free_slots = {}, .slots = graph.slots_needed()};
    offer.free_slots.resize(graph.slots_needed());
    std::iota(offer.free_slots.begin(), offer.free_slots.end(), 0U);
    const auto placed = graph::schedule(graph, std::span(&offer, 1));
    REQUIRE(placed);
    return *placed;
}

// A TaskManager of 1728m with 16 slots: 622 MiB managed, 4976 buffers, 713.7 MiB for tasks.
Capacity default_capacity() {
    return {.slot_bytes = std::size_t{1244} * kPage,
            .buffers = 4976,
            .buffers_free = 4976,
            .task_bytes = 713 * kMiB,
            .task_bytes_free = 713 * kMiB};
}

DeploymentNeed ctr_need(const Capacity& capacity) {
    const proto::Job job = shipped_ctr_job();
    const auto graph = graph::plan(job);
    REQUIRE(graph);
    auto need = need_of(job, *graph, together(*graph), 0, capacity);
    REQUIRE(need);
    return *std::move(need);
}

TEST_CASE("The click job needs its models, working sets and two Kafka clients, no buffers",
          "[taskmanager][deployment_need]") {
    const Capacity capacity = default_capacity();
    const DeploymentNeed need = ctr_need(capacity);
    REQUIRE(need.models.size() == 2);
    // 2^22 cells of 16 bytes, and a view of 4 (with a variance 8) bytes a cell; beside them a dirty
    // map of 3 bits for each 64, 32 Ki runs of 8 bytes in the order log, 64 batches of 1,024 labels
    // and scores, their two lists, 512 runs of scored rows, and a page for each of 3 segments.
    const std::size_t rest = 3 * 131'072 + 262'144 + 64 * 8192 + 512 + 4096 + 3 * kPage;
    const auto pages = [](std::size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; };
    CHECK(need.models[0].name == "ctr");
    CHECK(need.models[0].bytes == pages(64 * kMiB + 16 * kMiB + rest));
    CHECK(need.models[1].name == "ctr_bayes");
    CHECK(need.models[1].bytes == pages(64 * kMiB + 32 * kMiB + rest));
    CHECK(need.buffers() == memory::BufferNeed{});
    // A source; three sinks of one cluster, which share a producer.
    REQUIRE(need.clients.size() == 2);
    CHECK(need.clients[0].readers == 4);
    CHECK(need.clients[1].nodes ==
          std::vector<std::string>{"predictions", "metrics", "bad_records"});
    CHECK(need.kafka_bytes() == 96 * kMiB);
    REQUIRE(check_fit(need, capacity));
    const auto slots = need.bytes_by_slot(kPage);
    REQUIRE(slots.size() == 16);
    std::size_t sum = 0;
    for (const auto& [slot, bytes] : slots) sum += bytes;
    std::size_t working_sets = 0;
    for (const TaskNeed& task : need.tasks) working_sets += task.working_set_bytes();
    CHECK(sum == need.model_bytes() + working_sets);
}

TEST_CASE("Windows are halved until every working set fits its slot",
          "[taskmanager][deployment_need]") {
    Capacity capacity = default_capacity();
    const DeploymentNeed wide = ctr_need(capacity);
    std::size_t most = 0;
    for (const auto& [slot, bytes] : wide.bytes_by_slot(kPage)) most = std::max(most, bytes);
    capacity.slot_bytes = most;
    REQUIRE(ctr_need(capacity).window_bytes == wide.window_bytes);
    capacity.slot_bytes = most - kPage;
    REQUIRE(ctr_need(capacity).window_bytes == wide.window_bytes / 2);
}

TEST_CASE("A job is refused by one page of managed memory", "[taskmanager][deployment_need]") {
    Capacity capacity = default_capacity();
    capacity.slot_bytes = 0;
    std::size_t least = 0;
    for (const auto& [slot, bytes] : ctr_need(capacity).bytes_by_slot(kPage))
        least = std::max(least, bytes);
    capacity.slot_bytes = least;
    REQUIRE(check_fit(ctr_need(capacity), capacity));
    capacity.slot_bytes = least - kPage;
    const Status refused = check_fit(ctr_need(capacity), capacity);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::kResourceExhausted);
    CHECK_THAT(refused.error().message,
               Contains("of managed memory") && Contains("taskmanager.memory.managed.size"));
}

TEST_CASE("A job whose Kafka properties ask for more than its clients get does not fit",
          "[taskmanager][deployment_need]") {
    proto::Job job = shipped_ctr_job();
    proto::Property& property = *job.mutable_sources(0)->mutable_kafka()->add_properties();
    property.set_name("queued.max.messages.kbytes");
    property.set_value("200000");
    const auto graph = graph::plan(job);
    REQUIRE(graph);
    const auto need = need_of(job, *graph, together(*graph), 0, default_capacity());
    REQUIRE(need);
    const Status refused = check_fit(*need, default_capacity());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::kInvalidOption);
    CHECK_THAT(refused.error().message, Contains("queued.max.messages.kbytes is 200000"));
}

// Two senders, one a TaskManager, to four receivers, two a TaskManager.
struct Exchange {
    graph::JobGraph graph;
    std::vector<graph::Placement> placements{{.vertex = 0, .subtask = 0, .taskmanager = 0},
                                             {.vertex = 0, .subtask = 1, .taskmanager = 1},
                                             {.vertex = 1, .subtask = 0, .taskmanager = 0},
                                             {.vertex = 1, .subtask = 1, .taskmanager = 0},
                                             {.vertex = 1, .subtask = 2, .taskmanager = 1},
                                             {.vertex = 1, .subtask = 3, .taskmanager = 1}};

    proto::Job job = graph::job_from(R"pb(
        name: "exchange"
        sources {
          name: "from"
          parallelism: 2
          generate { preset: PRESET_SEQUENCE seed: 1 }
        }
        steps {
          name: "to"
          from: "from"
          parallelism: 4
          filter { where: "value > 1" }
        })pb");

    Exchange() {
        auto planned = graph::plan(job);
        REQUIRE(planned);
        graph = *std::move(planned);
        REQUIRE(graph.vertices.size() == 2);
    }
    [[nodiscard]] Result<DeploymentNeed> need(const Capacity& capacity) const {
        return need_of(job, graph, placements, 0, capacity);
    }
};

TEST_CASE("Who makes rows for a train step reserves what its models and the step may hold of them",
          "[taskmanager][deployment_need]") {
    Exchange exchange;
    const auto working_set = [&] { return batch_bytes(exchange.graph, 0, kMiB); };
    const std::size_t plain = working_set();
    exchange.graph.operators[1].is_trainer = true;
    exchange.graph.vertices[1].models = {"one", "other"};
    CHECK(working_set() == plain + 2 * 4 * kMiB);
    // In canonical order more waits at the models, but two makers are two feeds that share it; each
    // may have one batch beyond, of 256 KiB and its added columns. While a barrier is aligned the
    // step parks a window of it, as much again, and one batch.
    constexpr std::size_t kBatch = std::size_t{384} << 10;
    exchange.graph.operators[1].is_ordered = true;
    CHECK(working_set() == plain + 2 * (8 * kMiB + kBatch) + 2 * kMiB + kBatch);
}

TEST_CASE("Buffers are those of the partitions and gates with ends elsewhere",
          "[taskmanager][deployment_need]") {
    Capacity capacity = default_capacity();
    const auto need = Exchange().need(capacity);
    REQUIRE(need);
    REQUIRE(need->tasks.size() == 3);
    // The sender: 2 subpartitions elsewhere, 2 + 1 and 2 x 2 + 8. A receiver: 1 channel from
    // elsewhere, 1 x 2 + 1 and 1 x 2 + 8.
    CHECK(need->tasks[0].buffers == memory::BufferNeed{3, 12});
    CHECK(need->tasks[1].buffers == memory::BufferNeed{3, 10});
    CHECK(need->buffers() == memory::BufferNeed{9, 32});
    SECTION("and fit to the last one") {
        capacity.buffers_free = 9;
        REQUIRE(check_fit(*need, capacity));
    }
    SECTION("and are refused by one, with the numbers and the keys") {
        capacity.buffers_free = 8;
        const Status refused = check_fit(*need, capacity);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == Code::kResourceExhausted);
        CHECK_THAT(
            refused.error().message,
            Contains("9 network buffers (288 KiB) are needed at least, 8 of 4976 are free") &&
                Contains("taskmanager.memory.network.max"));
    }
}

TEST_CASE("Scratch of operators is summed apart from batches", "[taskmanager][deployment_need]") {
    const auto need = Exchange().need(default_capacity());
    REQUIRE(need);
    CHECK(need->tasks[0].scratch.empty());
    CHECK(need->tasks[0].working_set_bytes() == need->tasks[0].batch_bytes);
    // A condition works on two places, each of 1,024 numbers of 8 bytes and two bits a row.
    static_assert(2 * (1024 * 8 + 2 * 1024 / 8) <= kPage);
    REQUIRE(need->tasks[1].scratch.size() == 1);
    CHECK(need->tasks[1].scratch[0].op == 1);
    CHECK(need->tasks[1].scratch[0].bytes == kPage);
    CHECK(need->tasks[1].working_set_bytes() == need->tasks[1].batch_bytes + kPage);
}

TEST_CASE("A gate whose maximum leaves no buffer for each channel is refused with the key",
          "[taskmanager][deployment_need]") {
    Capacity capacity = default_capacity();
    capacity.buffer_settings.required_per_gate_max = 1;
    const auto refused = Exchange().need(capacity);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message,
               Contains("required-per-gate.max to 2") && Contains("to has 1 channels"));
}

}  // namespace
}  // namespace millrace::taskmanager
