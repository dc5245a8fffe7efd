#include "runtime/taskmanager/attempt_task.h"

#include <algorithm>
#include <optional>

#include "proto/job.pb.h"
#include "runtime/base/check.h"
#include "runtime/graph/ordered_input.h"
#include "runtime/net/control_message.h"
#include "runtime/task/split_edge.h"

namespace millrace::taskmanager {
namespace {

// Counters that chains keep of each operator.
constexpr std::string_view kRecordsInMetric = "flink_taskmanager_job_task_operator_numRecordsIn";
constexpr std::string_view kRecordsRejectedMetric =
    "flink_taskmanager_job_task_operator_numRecordsRejected";

template <class T>
std::unique_ptr<T> cast(std::unique_ptr<operators::Operator> made) {
    T* typed = dynamic_cast<T*>(made.get());
    MILLRACE_CHECK(typed != nullptr);
    static_cast<void>(made.release());  // The caller owns it as what it is.
    return std::unique_ptr<T>(typed);
}

// The step's input that subtask `from` of the operator behind `link` feeds.
std::uint32_t input_of(const graph::JobGraph& graph, const graph::Link& link, std::uint32_t from) {
    if (!graph.operators[link.to].is_ordered) return link.input;
    const auto number = static_cast<graph::LinkIndex>(&link - graph.links.data());
    return graph::first_feed(graph, number) + from;
}

}  // namespace

AttemptTask::AttemptTask(const Plan& plan, const graph::Placement& placement,
                         memory::SlotMemory& slot)
    : placement_(placement), vertex_(plan.graph.vertices[placement.vertex]), slot_(slot) {}

AttemptTask::~AttemptTask() = default;

metrics::Labels AttemptTask::labels(const Plan& plan) const {
    return {{"tm_id", plan.taskmanager},
            {"job_name", plan.job.name()},
            {"task_id", vertex_.id.to_string()},
            {"task_name", vertex_.name},
            {"subtask_index", std::to_string(placement_.subtask)}};
}

Status AttemptTask::build(const Plan& plan) {
    task_ = std::make_unique<task::Task>(
        task::Task::Options{.name = fmt::format("{}[{}]", vertex_.name, placement_.subtask),
                            .labels = labels(plan)},
        task::Task::Environment{.clock = plan.clock,
                                .metrics = plan.metrics,
                                .listener = plan.listener,
                                .bad_records = plan.bad_records},
        make_errors(plan));
    bell_.connect(*task_);
    return add_operators(plan);
}

Status AttemptTask::reserve(const Plan& plan, const TaskNeed& need) {
    memory::OwnerTag tag{.job = plan.job.name(),
                         .operator_name = vertex_.name,
                         .subtask = placement_.subtask,
                         .purpose = memory::Purpose::kBatch};
    MILLRACE_TRY_ASSIGN(const memory::OwnerId batches, reserve(tag, need.batch_bytes));
    batches_.emplace(slot_, batches);
    for (const std::uint32_t index : vertex_.operators) {
        const graph::OperatorNode& node = plan.graph.operators[index];
        const auto found = std::ranges::find(need.scratch, index, &ScratchNeed::op);
        tag.operator_name = node.name;
        tag.purpose = node.kind == graph::OperatorKind::kSource ? memory::Purpose::kDecode
                                                                : memory::Purpose::kScratch;
        MILLRACE_TRY_ASSIGN(scratch_[index],
                            reserve(tag, found == need.scratch.end() ? 0 : found->bytes));
    }
    return {};
}

Result<memory::OwnerId> AttemptTask::reserve(const memory::OwnerTag& tag, std::size_t bytes) {
    MILLRACE_TRY_ASSIGN(const memory::OwnerId owner, slot_.owner(tag));
    if (bytes == 0) return owner;
    MILLRACE_TRY_ASSIGN(auto reservation, slot_.reserve(owner, bytes));
    working_set_.push_back(std::move(reservation));
    return owner;
}

std::unique_ptr<task::ErrorRows> AttemptTask::make_errors(const Plan& plan) {
    std::vector<std::unique_ptr<task::OutputEdge>> edges;
    for (const graph::LinkIndex link : plan.graph.outputs_of(placement_.vertex)) {
        if (!plan.graph.links[link].errors) continue;
        edges.push_back(task::make_rebalance_edge(plan.channels.outputs(link, placement_.subtask)));
    }
    if (edges.empty()) return nullptr;
    return std::make_unique<task::ErrorRows>(std::move(edges), *batches_);
}

Status AttemptTask::add_operators(const Plan& plan) {
    std::vector<std::uint32_t> nodes(plan.graph.operators.size());
    for (const std::uint32_t index : vertex_.operators) {
        if (Status added = add_operator(plan, index, nodes); !added) {
            return std::unexpected(
                std::move(added).error().with_context(plan.graph.operators[index].name));
        }
        MILLRACE_TRY(add_edges(plan, index, nodes[index]));
    }
    return {};
}

Status AttemptTask::add_operator(const Plan& plan, std::uint32_t index,
                                 std::vector<std::uint32_t>& nodes) {
    const operators::OperatorRequest request =
        request_for(plan.job, plan.graph, plan.schemas, index);
    MILLRACE_TRY_ASSIGN(const operators::OperatorSpec* spec, plan.operators.find(request));
    MILLRACE_TRY_ASSIGN(auto made, spec->make(request, plan.resources));
    task::OperatorChain& chain = task_->chain();
    operators::OperatorContext context = context_for(plan, index);
    if (index != vertex_.operators.front()) {
        const auto link =
            std::find_if(plan.graph.links.begin(), plan.graph.links.end(),
                         [&](const graph::Link& l) { return l.to == index && l.chained; });
        MILLRACE_CHECK(link != plan.graph.links.end());
        nodes[index] = chain.add_step(cast<operators::Step>(std::move(made)), context,
                                      {.parent = nodes[link->from],
                                       .side = link->side,
                                       .input = input_of(plan.graph, *link, placement_.subtask)});
    } else if (dynamic_cast<operators::Source*>(made.get()) != nullptr) {
        nodes[index] = chain.add_source(cast<operators::Source>(std::move(made)), context);
    } else {
        nodes[index] =
            chain.add_root(cast<operators::Step>(std::move(made)), context, make_gate(plan, index));
    }
    return {};
}

operators::OperatorContext AttemptTask::context_for(const Plan& plan, std::uint32_t index) {
    const graph::OperatorNode& node = plan.graph.operators[index];
    metrics::Labels all = labels(plan);
    all.emplace_back("operator_name", node.name);
    operator_metrics_.push_back(
        std::make_unique<metrics::MetricGroup>(plan.metrics, std::move(all)));
    if (node.kind == graph::OperatorKind::kSink) sinks_.push_back(operator_metrics_.back().get());
    return {.job = plan.graph.job_name,
            .step = node.name,
            .subtask = placement_.subtask,
            .parallelism = node.parallelism,
            .attempt = plan.attempt,
            .clock = plan.clock,
            .waker = *task_,
            .batches = *batches_,
            .slot = slot_,
            .owner = scratch_.at(index),
            .metrics = *operator_metrics_.back(),
            .resources = plan.resources};
}

Status AttemptTask::add_edges(const Plan& plan, std::uint32_t index, std::uint32_t node) {
    for (const graph::LinkIndex number : plan.graph.outputs_of(placement_.vertex)) {
        const graph::Link& link = plan.graph.links[number];
        if (link.from != index || link.errors) continue;
        const std::vector<task::OutputChannel*> channels =
            plan.channels.outputs(number, placement_.subtask);
        if (link.partitioning == graph::Partitioning::kBroadcast) {
            task_->chain().add_edge(node, link.side, task::make_broadcast_edge(channels));
        } else if (link.partitioning == graph::Partitioning::kSplit) {
            task_->chain().add_edge(node, link.side,
                                    task::make_split_edge(channels, placement_.subtask));
        } else {
            MILLRACE_CHECK(link.partitioning == graph::Partitioning::kRebalance);
            task_->chain().add_edge(node, link.side, task::make_rebalance_edge(channels));
        }
    }
    return {};
}

std::unique_ptr<task::InputGate> AttemptTask::make_gate(const Plan& plan,
                                                        std::uint32_t index) const {
    std::vector<std::vector<task::InputChannel*>> inputs;
    for (const graph::LinkIndex number : plan.graph.inputs_of(placement_.vertex)) {
        const graph::Link& link = plan.graph.links[number];
        MILLRACE_CHECK_EQ(link.to, index);
        std::uint32_t from = 0;
        for (task::InputChannel* channel : plan.channels.inputs(number, placement_.subtask)) {
            const std::uint32_t input = input_of(plan.graph, link, from++);
            if (inputs.size() <= input) inputs.resize(input + 1);
            inputs[input].push_back(channel);
        }
    }
    return std::make_unique<task::InputGate>(inputs);
}

std::vector<operators::Split> AttemptTask::splits_of(const proto::SourceSplits& splits) {
    std::vector<operators::Split> made;
    for (const proto::SplitAssignment& split : splits.splits()) {
        made.push_back({.index = split.index(),
                        .name = split.name(),
                        .topic = split.topic(),
                        .partition = split.partition(),
                        .start_ordinal = split.start_ordinal()});
    }
    return made;
}

// Rows that sinks took; what they rejected went to the dead letters.
std::uint64_t AttemptTask::rows_written() const {
    double sum = 0;
    for (const metrics::MetricGroup* sink : sinks_) {
        sum += sink->value_of(kRecordsInMetric).value_or(0);
        sum -= sink->value_of(kRecordsRejectedMetric).value_or(0);
    }
    return static_cast<std::uint64_t>(std::max(sum, 0.0));
}

void AttemptTask::report(const Clock& clock, proto::SubtaskReport& report) const {
    const task::OperatorChain& chain = task_->chain();
    const task::ChainTraffic& traffic = chain.traffic();
    report.set_records_in(chain.rows_in());
    report.set_records_out(traffic.rows_out.value());
    report.set_records_written(rows_written());
    report.set_bytes_in(traffic.bytes_in.value());
    report.set_bytes_out(traffic.bytes_out.value());
    report.set_records_rejected(chain.rows_rejected());
    const task::TimeLedger::Rates rates = task_->times().rates(clock.now());
    report.set_busy_ms_per_second(rates.busy_ms);
    report.set_idle_ms_per_second(rates.idle_ms);
    report.set_back_pressured_ms_per_second(rates.back_pressured_ms);
    // Only sources know what is still to come, and one is the root of its chain.
    const std::optional<double> pending =
        operator_metrics_.front()->value_of(operators::kPendingRecordsMetric);
    report.set_pending_records(static_cast<std::int64_t>(pending.value_or(0)));
    report.set_trouble(net::message_text(task_->trouble()));
}

}  // namespace millrace::taskmanager
