#include "runtime/taskmanager/deployment_need.h"

#include <algorithm>
#include <set>
#include <utility>

#include "memory/byte_size.h"
#include "operators/learning/model_plan.h"
#include "operators/learning/shared_model.h"
#include "operators/learning/train_step.h"
#include "proto/job.pb.h"
#include "runtime/data/batch.h"
#include "runtime/graph/ordered_input.h"
#include "runtime/taskmanager/order_plan.h"
#include "runtime/taskmanager/stream_schemas.h"

namespace millrace::taskmanager {
namespace {

// What a batch of the pipeline takes at most in practice: a full one and the columns added to it.
constexpr std::size_t kBatchBytes = data::kBytesTarget + data::kBytesTarget / 2;

// A window takes a few batches, so that a producer and a consumer on two workers do not move in
// step. It is halved until every working set fits its slot.
constexpr std::size_t kWindowBytesMax = std::size_t{1} << 20;
constexpr std::size_t kWindowBytesMin = std::size_t{64} << 10;

std::size_t whole_pages(std::size_t bytes, std::size_t page_bytes) {
    return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

std::uint32_t other_end_count(const graph::JobGraph& graph, const graph::Link& link) {
    return graph.operators[link.to].parallelism;
}

// Batches made here that may wait in models. In arrival order all that a model holds may be of one
// maker. In canonical order each maker is a feed with a share of its own, and one batch beyond; and
// the train step parks some of it while a barrier is aligned.
std::size_t held_by_models(const graph::JobGraph& graph, std::uint32_t vertex) {
    std::size_t sum = 0;
    for (const graph::Link& link : graph.links) {
        const graph::OperatorNode& reader = graph.operators[link.to];
        if (graph.operators[link.from].vertex != vertex || !reader.is_trainer) continue;
        const std::size_t models = graph.vertices[reader.vertex].models.size();
        const std::size_t held = operators::SharedModel::held_bytes_max(reader.is_ordered);
        if (!reader.is_ordered) {
            sum += models * held;
            continue;
        }
        const std::size_t feeds = graph::feed_owners(graph, link.to).size();
        sum += models * (held / feeds + kBatchBytes);
        sum += operators::TrainStep::kParkedBytesMax + kBatchBytes;
    }
    return sum;
}

class Summation {
  public:
    Summation(const proto::Job& job, const graph::JobGraph& graph,
              std::span<const graph::Placement> placements, std::uint32_t self,
              const Capacity& capacity)
        : job_(job), graph_(graph), placements_(placements), self_(self), capacity_(capacity) {
        for (const graph::Placement& p : placements) home_[{p.vertex, p.subtask}] = p.taskmanager;
    }

    Result<DeploymentNeed> run() {
        MILLRACE_TRY(add_models());
        MILLRACE_TRY_ASSIGN(const StreamSchemas schemas,
                            resolve_schemas(job_, graph_, operators::builtin_operators()));
        for (const graph::Placement& p : placements_) {
            if (p.taskmanager != self_) continue;
            MILLRACE_TRY_ASSIGN(memory::BufferNeed buffers, buffers_of(p.vertex));
            MILLRACE_TRY_ASSIGN(auto scratch, scratch_of(schemas, p.vertex));
            need_.tasks.push_back({.placement = p,
                                   .batch_bytes = 0,
                                   .scratch = std::move(scratch),
                                   .buffers = buffers});
        }
        for (std::size_t window = kWindowBytesMax; window >= kWindowBytesMin; window /= 2) {
            set_window(window);
            if (slots_fit()) break;
        }
        add_clients();
        return std::move(need_);
    }

  private:
    Status add_models() {
        std::set<std::string> names;
        for (const graph::Placement& p : placements_) {
            const std::vector<std::string>& models = graph_.vertices[p.vertex].models;
            if (p.taskmanager == self_) names.insert(models.begin(), models.end());
        }
        for (const std::string& name : names) {
            MILLRACE_TRY_ASSIGN(auto options, operators::shared_model_options(job_, name));
            if (options.order) options.order->feed_owners = feed_owners(job_, graph_, name);
            const std::size_t bytes = operators::SharedModel::account_bytes(options);
            need_.models.push_back({name, whole_pages(bytes, capacity_.page_bytes)});
        }
        return {};
    }

    void set_window(std::size_t window) {
        need_.window_bytes = window;
        for (TaskNeed& task : need_.tasks) {
            task.batch_bytes = whole_pages(batch_bytes(graph_, task.placement.vertex, window),
                                           capacity_.page_bytes);
        }
    }

    [[nodiscard]] Result<std::vector<ScratchNeed>> scratch_of(const StreamSchemas& schemas,
                                                              std::uint32_t vertex) const {
        std::vector<ScratchNeed> needs;
        for (const std::uint32_t op : graph_.vertices[vertex].operators) {
            const operators::OperatorRequest request = request_for(job_, graph_, schemas, op);
            MILLRACE_TRY_ASSIGN(const operators::OperatorSpec* spec,
                                operators::builtin_operators().find(request));
            if (spec->scratch == nullptr) continue;
            MILLRACE_TRY_ASSIGN(const auto segments, spec->scratch(request));
            ScratchNeed need{.op = op, .bytes = 0};
            for (const std::size_t bytes : segments)
                need.bytes += whole_pages(bytes, capacity_.page_bytes);
            if (need.bytes > 0) needs.push_back(need);
        }
        return needs;
    }

    [[nodiscard]] bool slots_fit() const {
        const auto slots = need_.bytes_by_slot(capacity_.page_bytes);
        return std::all_of(slots.begin(), slots.end(),
                           [&](const auto& slot) { return slot.second <= capacity_.slot_bytes; });
    }

    // The other ends of one end's channels.
    [[nodiscard]] memory::Channels channels_to(std::uint32_t op) const {
        memory::Channels channels;
        const graph::OperatorNode& node = graph_.operators[op];
        for (std::uint32_t i = 0; i < node.parallelism; ++i)
            ++(home_.at({node.vertex, i}) == self_ ? channels.local : channels.remote);
        return channels;
    }

    [[nodiscard]] Result<memory::BufferNeed> buffers_of(std::uint32_t vertex) const {
        memory::BufferNeed sum;
        for (const graph::LinkIndex link : graph_.outputs_of(vertex)) {
            sum += memory::need_of_partition(capacity_.buffer_settings,
                                             channels_to(graph_.links[link].to));
        }
        for (const graph::LinkIndex link : graph_.inputs_of(vertex)) {
            const memory::Channels channels = channels_to(graph_.links[link].from);
            const memory::GateNeed gate = memory::need_of_gate(capacity_.buffer_settings, channels);
            if (channels.remote > 0 && gate.exclusive_per_channel == 0) {
                return fail(Code::kResourceExhausted,
                            "{} has {} channels from other TaskManagers, and each needs a buffer "
                            "of its own. Hint: raise "
                            "taskmanager.network.memory.read-buffer.required-per-gate.max to {}",
                            graph_.vertices[vertex].name, channels.remote, channels.remote + 1);
            }
            sum += gate.need;
        }
        return sum;
    }

    void add_clients() {
        std::set<std::string, std::less<>> here;
        for (const TaskNeed& task : need_.tasks) {
            for (const std::uint32_t op : graph_.vertices[task.placement.vertex].operators)
                here.insert(graph_.operators[op].name);
        }
        need_.clients = operators::plan_clients(
            job_, [&](std::string_view node) { return here.contains(node); });
        const auto fitted = operators::fit_clients(need_.clients, capacity_.task_bytes_free);
        need_.kafka = fitted
                          ? *fitted
                          : operators::KafkaMemory{.consumer_bytes = operators::kConsumerBytesMin,
                                                   .producer_bytes = operators::kProducerBytesMin};
    }

    const proto::Job& job_;
    const graph::JobGraph& graph_;
    const std::span<const graph::Placement> placements_;
    const std::uint32_t self_;
    const Capacity& capacity_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> home_;
    DeploymentNeed need_;
};

Status check_slots(const DeploymentNeed& need, const Capacity& capacity) {
    for (const auto& [slot, bytes] : need.bytes_by_slot(capacity.page_bytes)) {
        if (bytes <= capacity.slot_bytes) continue;
        return fail(Code::kResourceExhausted,
                    "slot {} needs {} of managed memory, and has {}: the models take {} from the "
                    "job's slots together, the rest are working sets of its tasks. Hint: raise "
                    "taskmanager.memory.process.size or taskmanager.memory.managed.size, or lower "
                    "taskmanager.numberOfTaskSlots (slots are equal parts) or `bits`",
                    slot, memory::format_bytes(bytes), memory::format_bytes(capacity.slot_bytes),
                    memory::format_bytes(need.model_bytes()));
    }
    return {};
}

}  // namespace

std::size_t TaskNeed::working_set_bytes() const {
    std::size_t sum = batch_bytes;
    for (const ScratchNeed& one : scratch) sum += one.bytes;
    return sum;
}

std::size_t DeploymentNeed::model_bytes() const {
    std::size_t sum = 0;
    for (const ModelNeed& model : models) sum += model.bytes;
    return sum;
}

memory::BufferNeed DeploymentNeed::buffers() const {
    memory::BufferNeed sum;
    for (const TaskNeed& task : tasks) sum += task.buffers;
    return sum;
}

std::map<std::uint32_t, std::size_t> DeploymentNeed::bytes_by_slot(std::size_t page_bytes) const {
    std::map<std::uint32_t, std::size_t> slots;
    for (const TaskNeed& task : tasks) slots[task.placement.slot] += task.working_set_bytes();
    // As MemoryManager::open_account() divides: pages that do not divide come from the first slots.
    for (const ModelNeed& model : models) {
        const std::size_t pages = model.bytes / page_bytes;
        std::size_t number = 0;
        for (auto& [slot, bytes] : slots) {
            const std::size_t extra = number++ < pages % slots.size() ? 1 : 0;
            bytes += (pages / slots.size() + extra) * page_bytes;
        }
    }
    return slots;
}

Result<DeploymentNeed> need_of(const proto::Job& job, const graph::JobGraph& graph,
                               std::span<const graph::Placement> placements, std::uint32_t self,
                               const Capacity& capacity) {
    return Summation(job, graph, placements, self, capacity).run();
}

Status check_fit(const DeploymentNeed& need, const Capacity& capacity) {
    MILLRACE_TRY(check_slots(need, capacity));
    const std::uint64_t required = need.buffers().required;
    if (required > capacity.buffers_free) {
        return fail(Code::kResourceExhausted,
                    "{} network buffers ({}) are needed at least, {} of {} are free. Hint: raise "
                    "taskmanager.memory.network.max, taskmanager.memory.network.min or "
                    "taskmanager.memory.network.fraction, or lower the parallelism",
                    required, memory::format_bytes(required * capacity.page_bytes),
                    capacity.buffers_free, capacity.buffers);
    }
    const auto fitted = operators::fit_clients(need.clients, capacity.task_bytes_free);
    if (!fitted) return std::unexpected(fitted.error());
    return operators::check_properties(need.clients, *fitted);
}

std::size_t batch_bytes(const graph::JobGraph& graph, std::uint32_t vertex,
                        std::size_t window_bytes) {
    // The batch that each operator is making.
    std::size_t sum = graph.vertices[vertex].operators.size() * kBatchBytes;
    for (const graph::LinkIndex link : graph.outputs_of(vertex)) {
        // A window for each channel, and the one batch that may exceed it.
        if (!graph.links[link].errors)
            sum += other_end_count(graph, graph.links[link]) * window_bytes + kBatchBytes;
    }
    return sum + held_by_models(graph, vertex);
}

}  // namespace millrace::taskmanager
