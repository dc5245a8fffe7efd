#include "tests/task/pipeline.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/task/key_hash_edge.h"

namespace millrace::test {

namespace {

// No toy operator looks at the resources of its job.
operators::JobResources& no_resources() {
    alignas(std::max_align_t) static std::byte nothing[16];
    return reinterpret_cast<operators::JobResources&>(nothing);
}

// Lets a writer outlive the task that wrote.
class WriterTo final : public state::SnapshotWriter {
  public:
    explicit WriterTo(state::SnapshotWriter& to) : to_(to) {}
    Status write(std::string_view name, std::span<const std::byte> bytes) override {
        return to_.write(name, bytes);
    }

  private:
    state::SnapshotWriter& to_;
};

// The value at `key`, or an empty one.
template <class Map, class Key>
typename Map::mapped_type at(const Map& map, const Key& key) {
    const auto found = map.find(key);
    return found == map.end() ? typename Map::mapped_type{} : found->second;
}

}  // namespace

void Listener::on_state(task::Task& task, task::TaskState state, const Error* cause) {
    {
        MutexLock lock(mutex_);
        states_[task.name()].emplace_back(to_string(state));
        if (cause != nullptr) failures_.push_back(task.name() + ": " + cause->message);
    }
    if (is_terminal(state)) running.leave();
}

Result<std::unique_ptr<state::SnapshotWriter>> Listener::open_snapshot(task::Task& task,
                                                                       std::uint64_t checkpoint_id,
                                                                       std::string_view step) {
    if (refuses_snapshots) return fail(Code::kUnavailable, "the disk is full");
    MutexLock lock(mutex_);
    auto& snapshot = snapshots_[fmt::format("{}/{}/{}", task.name(), step, checkpoint_id)];
    snapshot = std::make_unique<state::MemorySnapshot>();
    return std::make_unique<WriterTo>(*snapshot);
}

void Listener::on_snapshot(task::Task&, const task::SnapshotReport& report) {
    MutexLock lock(mutex_);
    auto& [all, failed] = reports_[report.barrier.checkpoint_id];
    ++all;
    failed += report.outcome.has_value() ? 0 : 1;
}

std::vector<std::string> Listener::states_of(const std::string& task) const {
    MutexLock lock(mutex_);
    const auto states = states_.find(task);
    return states == states_.end() ? std::vector<std::string>{} : states->second;
}

std::vector<std::string> Listener::failures() const {
    MutexLock lock(mutex_);
    return failures_;
}

std::size_t Listener::reports(std::uint64_t checkpoint_id) const {
    MutexLock lock(mutex_);
    const auto found = reports_.find(checkpoint_id);
    return found == reports_.end() ? 0 : found->second.first;
}

std::size_t Listener::failed_reports(std::uint64_t checkpoint_id) const {
    MutexLock lock(mutex_);
    const auto found = reports_.find(checkpoint_id);
    return found == reports_.end() ? 0 : found->second.second;
}

state::MemorySnapshot* Listener::snapshot(const std::string& key) {
    MutexLock lock(mutex_);
    const auto found = snapshots_.find(key);
    return found == snapshots_.end() ? nullptr : found->second.get();
}

operators::OperatorContext toy_context(std::string_view step, const Clock& clock, Waker& waker,
                                       TaskSeat& seat, SlotWorld& world) {
    return {.job = "job",
            .step = step,
            .clock = clock,
            .waker = waker,
            .batches = seat.batches,
            .slot = world.slot(),
            .owner = world.owner(),
            .metrics = seat.metrics,
            .resources = no_resources()};
}

Pipeline::Pipeline(const Clock& clock, std::vector<PipelineVertex> vertices, std::uint64_t seed,
                   std::size_t calls_max)
    : clock_(clock), vertices_(std::move(vertices)), seed_(seed), calls_max_(calls_max) {
    make_channels();
    subtasks_.resize(vertices_.size());
    for (std::size_t v = 0; v < vertices_.size(); ++v) {
        for (std::uint32_t s = 0; s < vertices_[v].parallelism; ++s) make_task(v, s);
    }
}

Pipeline::~Pipeline() = default;

void Pipeline::make_channels() {
    for (std::size_t to = 0; to < vertices_.size(); ++to) {
        for (std::size_t input = 0; input < vertices_[to].inputs.size(); ++input) {
            const PipelineLink& link = vertices_[to].inputs[input];
            MILLRACE_CHECK_LT(link.from, to);
            Channels& channels = links_[{to, input}];
            channels.resize(vertices_[link.from].parallelism);
            for (std::uint32_t f = 0; f < channels.size(); ++f) {
                for (std::uint32_t t = 0; t < vertices_[to].parallelism; ++t) {
                    const bool is_used = link.way != Way::kForward || f == t;
                    channels[f].push_back(is_used ? &channels_.emplace_back(link.window_bytes)
                                                  : nullptr);
                }
            }
        }
    }
}

std::unique_ptr<task::InputGate> Pipeline::make_gate(std::size_t vertex, std::uint32_t subtask) {
    std::vector<std::vector<task::InputChannel*>> inputs;
    for (std::size_t input = 0; input < vertices_[vertex].inputs.size(); ++input) {
        inputs.emplace_back();
        for (const auto& from : links_.at({vertex, input})) {
            if (from[subtask] != nullptr) inputs.back().push_back(from[subtask]);
        }
    }
    return std::make_unique<task::InputGate>(inputs);
}

void Pipeline::add_edges(task::OperatorChain& chain, std::uint32_t node, std::size_t vertex,
                         std::uint32_t subtask, TaskSeat& seat) {
    for (const auto& [where, channels] : links_) {
        const PipelineLink& link = vertices_[where.first].inputs[where.second];
        if (link.from != vertex) continue;
        std::vector<task::OutputChannel*> outputs;
        for (task::LocalChannel* channel : channels[subtask]) {
            if (channel != nullptr) outputs.push_back(channel);
        }
        switch (link.way) {
            case Way::kForward:
                chain.add_edge(node, 0, task::make_forward_edge(*outputs.front()));
                break;
            case Way::kRebalance:
                chain.add_edge(node, 0, task::make_rebalance_edge(outputs));
                break;
            case Way::kBroadcast:
                chain.add_edge(node, 0, task::make_broadcast_edge(outputs));
                break;
            case Way::kKeyHash:
                chain.add_edge(
                    node, 0, task::make_key_hash_edge(outputs, seat.batches, {.key_columns = {0}}));
                break;
        }
    }
}

void Pipeline::make_task(std::size_t v, std::uint32_t s) {
    const PipelineVertex& vertex = vertices_[v];
    Subtask& subtask = subtasks_[v].emplace_back();
    subtask.seat = std::make_unique<TaskSeat>(world_, registry_);
    subtask.task = std::make_unique<task::Task>(
        task::Task::Options{
            .name = fmt::format("v{}[{}]", v, s), .labels = {}, .calls_max = calls_max_},
        task::Task::Environment{clock_, registry_, listener_, policy_}, nullptr);
    listener_.running.enter();
    task::OperatorChain& chain = subtask.task->chain();
    const auto context = [&](std::string_view step) {
        return toy_context(step, clock_, *subtask.task, *subtask.seat, world_);
    };
    const std::uint64_t seed = seed_ * 1000 + v * 100 + s;
    std::uint32_t last = 0;
    if (vertex.inputs.empty()) {
        last = chain.add_source(
            std::make_unique<SequenceSource>(book_, split_of(v, s), vertex.rows, seed),
            context("source"));
    } else {
        last = chain.add_root(std::make_unique<MoodyStep>(book_, seed), context("root"),
                              make_gate(v, s));
    }
    for (std::uint32_t i = 0; i < vertex.steps; ++i) {
        last = chain.add_step(std::make_unique<MoodyStep>(book_, seed + 10 + i), context("step"),
                              {.parent = last});
    }
    add_edges(chain, last, v, s, *subtask.seat);
    if (vertex.has_sink) {
        chain.add_step(
            std::make_unique<NotingSink>(book_, static_cast<std::uint32_t>(v), vertex.is_ordered),
            context("sink"), {.parent = last});
    }
}

std::vector<task::Task*> Pipeline::tasks() {
    std::vector<task::Task*> tasks;
    for (auto& vertex : subtasks_) {
        for (Subtask& subtask : vertex) tasks.push_back(subtask.task.get());
    }
    return tasks;
}

std::vector<task::Task*> Pipeline::sources() {
    std::vector<task::Task*> tasks;
    for (std::size_t v = 0; v < vertices_.size(); ++v) {
        if (!vertices_[v].inputs.empty()) continue;
        for (Subtask& subtask : subtasks_[v]) tasks.push_back(subtask.task.get());
    }
    return tasks;
}

void Pipeline::trigger(std::uint64_t checkpoint_id) {
    for (task::Task* source : sources()) {
        const Status posted = source->trigger_checkpoint(
            {.checkpoint_id = checkpoint_id, .triggered_at_ms = clock_.wall_ms()});
        MILLRACE_CHECK(posted.has_value() || posted.error().code == Code::kCancelled);
    }
}

std::map<std::int32_t, std::int64_t> Pipeline::copies_at(std::size_t vertex) const {
    std::map<std::int32_t, std::int64_t> copies;
    if (vertices_[vertex].inputs.empty()) {
        for (std::uint32_t s = 0; s < vertices_[vertex].parallelism; ++s) {
            copies[split_of(vertex, s)] = 1;
        }
    }
    for (const PipelineLink& link : vertices_[vertex].inputs) {
        const std::int64_t each = link.way == Way::kBroadcast ? vertices_[vertex].parallelism : 1;
        for (const auto& [split, count] : copies_at(link.from)) copies[split] += count * each;
    }
    return copies;
}

void Pipeline::check_rows(std::size_t vertex, std::vector<std::string>& problems) const {
    const auto seen = book_.rows_of(static_cast<std::uint32_t>(vertex));
    std::size_t expected = 0;
    for (const auto& [split, copies] : copies_at(vertex)) {
        const std::int64_t rows = vertices_[static_cast<std::size_t>(split) / 100].rows;
        expected += static_cast<std::size_t>(rows);
        for (std::int64_t ordinal = 0; ordinal < rows; ++ordinal) {
            const auto found = seen.find({split, ordinal});
            const int times = found == seen.end() ? 0 : found->second;
            if (times == copies) continue;
            problems.push_back(fmt::format("sink {} saw row {} of split {} {} times, not {}",
                                           vertex, ordinal, split, times, copies));
            return;
        }
    }
    if (seen.size() != expected) {
        problems.push_back(fmt::format("sink {} saw rows that nobody made", vertex));
    }
}

void Pipeline::check_cuts(std::vector<std::string>& problems) const {
    for (const auto& [id, cut] : book_.cuts()) {
        for (std::size_t v = 0; v < vertices_.size(); ++v) {
            const auto sink = static_cast<std::uint32_t>(v);
            const auto subtasks = cut.subtasks.find(sink);
            if (subtasks == cut.subtasks.end() || subtasks->second < vertices_[v].parallelism) {
                continue;  // It ended before the barrier came, or the checkpoint was given up.
            }
            for (const auto& [split, copies] : copies_at(v)) {
                const auto source = cut.sources.find(split);
                const std::int64_t next =
                    source == cut.sources.end()
                        ? vertices_[static_cast<std::size_t>(split) / 100].rows
                        : source->second;
                const std::int64_t rows = at(at(cut.rows, sink), split);
                const bool is_beyond = rows > 0 && at(at(cut.highest, sink), split) >= next;
                if (rows == next * copies && !is_beyond) continue;
                problems.push_back(
                    fmt::format("checkpoint {} at sink {} holds {} rows of split {}, not {} x {}",
                                id, v, rows, split, next, copies));
            }
        }
    }
}

std::vector<std::string> Pipeline::problems() {
    std::vector<std::string> problems = book_.broken();
    for (const std::string& failure : listener_.failures()) problems.push_back(failure);
    for (std::size_t v = 0; v < vertices_.size(); ++v) {
        if (vertices_[v].has_sink) check_rows(v, problems);
    }
    check_cuts(problems);
    return problems;
}

}  // namespace millrace::test
