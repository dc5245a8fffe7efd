#include "runtime/process/deployment_sums.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "operators/learning/model_plan.h"
#include "runtime/process/node.h"
#include "runtime/process/process_settings.h"

namespace millrace::process {
namespace {

std::uint64_t region_bytes(const proto::RegisterTaskManager& taskmanager, std::string_view name) {
    for (const proto::MemoryRegion& region : taskmanager.memory()) {
        if (region.name() == name) return static_cast<std::uint64_t>(region.bytes());
    }
    return 0;
}

taskmanager::Capacity capacity_of(const proto::RegisterTaskManager& taskmanager,
                                  const jobmanager::CapacityClaim& taken) {
    const auto buffers = static_cast<std::uint64_t>(taskmanager.network_buffers());
    const std::uint64_t task_bytes = region_bytes(taskmanager, "task");
    const proto::NetworkSettings& network = taskmanager.network();
    return {.slot_bytes = static_cast<std::size_t>(taskmanager.slot_bytes()),
            .page_bytes = static_cast<std::size_t>(taskmanager.segment_bytes()),
            .buffers = buffers,
            .buffers_free = buffers - std::min(buffers, taken.network_buffers),
            .task_bytes = task_bytes,
            .task_bytes_free = task_bytes - std::min(task_bytes, taken.task_bytes),
            .buffer_settings = {
                .buffers_per_channel = network.buffers_per_channel(),
                .floating_buffers_per_gate = network.floating_buffers_per_gate(),
                .max_buffers_per_channel = network.max_buffers_per_channel(),
                .required_per_gate_max = std::max(network.required_per_gate_max(), 1U)}};
}

taskmanager::Capacity capacity_of(const memory::MemoryBudget& budget) {
    return {.slot_bytes = budget.slot_bytes(),
            .page_bytes = budget.segment_bytes,
            .buffers = budget.network_buffers(),
            .buffers_free = budget.network_buffers(),
            .task_bytes = budget.task.bytes,
            .task_bytes_free = budget.task.bytes,
            .buffer_settings = budget.buffers};
}

std::vector<cli::TaskSum> task_sums(const taskmanager::DeploymentNeed& need,
                                    const graph::JobGraph& graph) {
    std::map<std::uint32_t, cli::TaskSum> sums;
    for (const taskmanager::TaskNeed& task : need.tasks) {
        cli::TaskSum& sum = sums[task.placement.vertex];
        sum.name = graph.vertices[task.placement.vertex].name;
        ++sum.count;
        sum.working_set_bytes = task.working_set_bytes();
        sum.buffers_required += task.buffers.required;
        sum.buffers_target += task.buffers.target;
    }
    std::vector<cli::TaskSum> all;
    all.reserve(sums.size());
    for (auto& [vertex, sum] : sums) all.push_back(std::move(sum));
    return all;
}

Result<cli::ModelSum> model_sum(const taskmanager::ModelNeed& need, const proto::Job& job) {
    MILLRACE_TRY_ASSIGN(const auto options, operators::shared_model_options(job, need.name));
    return cli::ModelSum{
        .name = need.name,
        .bytes = need.bytes,
        .table_bytes = ml::Table::cell_bytes(options.bits),
        .view_bytes = ml::ServingView::bytes(options.bits, options.learner->view_lanes()),
        .bits = options.bits};
}

cli::TaskManagerSum sum_of(const taskmanager::DeploymentNeed& need,
                           const taskmanager::Capacity& capacity, const graph::JobGraph& graph) {
    const auto slots = need.bytes_by_slot(capacity.page_bytes);
    cli::TaskManagerSum sum{.slots = static_cast<std::uint32_t>(slots.size()),
                            .slot_bytes = capacity.slot_bytes,
                            .window_bytes = need.window_bytes,
                            .buffers = capacity.buffers,
                            .buffer_bytes = capacity.page_bytes,
                            .task_bytes = capacity.task_bytes};
    for (const auto& [slot, bytes] : slots)
        sum.slot_bytes_needed = std::max<std::uint64_t>(sum.slot_bytes_needed, bytes);
    sum.tasks = task_sums(need, graph);
    for (const operators::PlannedClient& client : need.clients) {
        const bool reads = client.role == operators::KafkaRole::kSource;
        sum.clients.push_back(
            {.role = reads ? "consumer" : "producer",
             .nodes = client.nodes,
             .bytes = reads ? need.kafka.consumer_bytes : need.kafka.producer_bytes});
    }
    if (const Status fits = taskmanager::check_fit(need, capacity); !fits)
        sum.refusal = fits.error().message;
    return sum;
}

// Tasks that share models stand together; otherwise the job's slots are spread.
std::uint32_t slots_of_each(const graph::JobGraph& graph, std::uint32_t taskmanagers) {
    const std::uint32_t needed = graph.slots_needed();
    return graph.slots_together() > 0 ? needed : (needed + taskmanagers - 1) / taskmanagers;
}

std::vector<graph::SlotOffer> empty_offers(std::uint32_t taskmanagers, std::uint32_t slots) {
    std::vector<graph::SlotOffer> offers(taskmanagers);
    for (graph::SlotOffer& offer : offers) {
        offer.slots = slots;
        offer.free_slots.resize(slots);
        std::iota(offer.free_slots.begin(), offer.free_slots.end(), 0U);
    }
    return offers;
}

}  // namespace

Result<cli::MemorySums> sum_memory(const cli::CommandLine& line, const proto::Job& job) {
    MILLRACE_TRY_ASSIGN(const graph::JobGraph graph, graph::plan(job));
    MILLRACE_TRY_ASSIGN(const Settings settings, read_settings(line));
    MILLRACE_TRY_ASSIGN(const auto budget,
                        budget_of(settings, slots_of_each(graph, line.taskmanagers)));
    const auto offers = empty_offers(line.taskmanagers, budget.slot_count);
    MILLRACE_TRY_ASSIGN(const auto placements, graph::schedule(graph, offers));
    const taskmanager::Capacity capacity = capacity_of(budget);
    cli::MemorySums sums{.slots_needed = graph.slots_needed(),
                         .slots_together = graph.slots_together(),
                         .taskmanager_count = line.taskmanagers,
                         .process_bytes = budget.process.bytes,
                         .slots = budget.slot_count,
                         .has_assumed_slots = !find_setting(settings, kSlotsKey)};
    for (std::uint32_t i = 0; i < line.taskmanagers; ++i) {
        MILLRACE_TRY_ASSIGN(const auto need,
                            taskmanager::need_of(job, graph, placements, i, capacity));
        if (need.tasks.empty()) continue;
        cli::TaskManagerSum sum = sum_of(need, capacity, graph);
        sum.number = i + 1;
        sum.managed_bytes = budget.managed.bytes;
        for (const taskmanager::ModelNeed& model : need.models) {
            MILLRACE_TRY_ASSIGN(cli::ModelSum model_bytes, model_sum(model, job));
            sum.models.push_back(std::move(model_bytes));
        }
        sums.taskmanagers.push_back(std::move(sum));
    }
    return sums;
}

Result<jobmanager::CapacityClaim> DeploymentSums::claim(
    const proto::Job& job, const graph::JobGraph& graph,
    std::span<const graph::Placement> placements, std::uint32_t self,
    const proto::RegisterTaskManager& taskmanager, const jobmanager::CapacityClaim& taken) const {
    if (taskmanager.segment_bytes() <= 0) {
        return fail(Code::kInvalidArgument,
                    "TaskManager {} does not say what it has. Hint: run the same version of "
                    "millrace in all processes of a cluster",
                    taskmanager.taskmanager_id());
    }
    const taskmanager::Capacity capacity = capacity_of(taskmanager, taken);
    const auto need = taskmanager::need_of(job, graph, placements, self, capacity);
    const auto refuse = [&](Error cause) {
        return std::unexpected(std::move(cause).with_context(fmt::format(
            "job {} does not fit in TaskManager {}", job.name(), taskmanager.taskmanager_id())));
    };
    if (!need) return refuse(need.error());
    if (Status fits = taskmanager::check_fit(*need, capacity); !fits) return refuse(fits.error());
    return jobmanager::CapacityClaim{.network_buffers = need->buffers().required,
                                     .task_bytes = need->kafka_bytes()};
}

}  // namespace millrace::process
