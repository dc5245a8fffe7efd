#include "tests/task/task_world.h"

#include <utility>

#include "runtime/base/check.h"

namespace millrace::test {

using operators::Progress;

Status ScriptedStep::open(operators::OperatorContext& opened) {
    context = &opened;
    diary_.push_back(name_ + " open");
    return opening ? opening() : Status{};
}

Result<Progress> ScriptedStep::process(const data::BatchPtr& batch, std::uint32_t,
                                       operators::Output& output) {
    diary_.push_back(fmt::format("{} {}", name_, batch->positions().ordinal[0]));
    if (processing) return processing(batch, output);
    output.emit(batch);
    return Progress::kDone;
}

Status ScriptedStep::on_watermark(data::Watermark watermark, operators::Output& output) {
    diary_.push_back(fmt::format("{} w{}", name_, watermark.event_time_ms));
    output.emit_watermark(watermark);
    return {};
}

Result<Progress> ScriptedStep::snapshot(std::uint64_t checkpoint_id,
                                        state::SnapshotWriter& writer) {
    diary_.push_back(fmt::format("{} snapshot {}", name_, checkpoint_id));
    return snapshotting ? snapshotting(writer) : Result<Progress>(Progress::kDone);
}

Status ScriptedStep::restore(state::SnapshotReader& reader) {
    MILLRACE_TRY_ASSIGN(const auto bytes, reader.read("state"));
    diary_.push_back(fmt::format("{} restore {}", name_, bytes.size()));
    return {};
}

Status ScriptedStep::commit(std::uint64_t checkpoint_id) {
    diary_.push_back(fmt::format("{} commit {}", name_, checkpoint_id));
    return {};
}

Status ScriptedStep::abort(std::uint64_t checkpoint_id) {
    diary_.push_back(fmt::format("{} abort {}", name_, checkpoint_id));
    return {};
}

Status ScriptedStep::on_tick(operators::Output& output) {
    diary_.push_back(name_ + " tick");
    tick = TimePoint::max();
    return ticking ? ticking(output) : Status{};
}

Status ScriptedStep::on_input_end(std::uint32_t input) {
    if (ending_input) ending_input(input);
    return {};
}

Result<Progress> ScriptedStep::on_end(operators::Output& output) {
    diary_.push_back(name_ + " end");
    return ending ? ending(output) : Result<Progress>(Progress::kDone);
}

Status ScriptedSource::open(operators::OperatorContext& opened) {
    context = &opened;
    diary_.emplace_back("source open");
    return {};
}

Status ScriptedSource::add_splits(std::span<const operators::Split> splits) {
    for (const operators::Split& split : splits) diary_.push_back("source split " + split.name);
    return {};
}

Result<Progress> ScriptedSource::poll(operators::Output& output) {
    diary_.emplace_back("source poll");
    return polling ? polling(output) : Result<Progress>(Progress::kDone);
}

Result<Progress> ScriptedSource::snapshot(std::uint64_t checkpoint_id, state::SnapshotWriter&) {
    diary_.push_back(fmt::format("source snapshot {}", checkpoint_id));
    return Progress::kDone;
}

Status ScriptedSource::on_tick(operators::Output&) {
    diary_.emplace_back("source tick");
    tick = TimePoint::max();
    return {};
}

Status CountingPolicy::on_bad_record(std::string_view step, const operators::Rejection& rejection,
                                     TimePoint) {
    if (++bad <= bad_max) return {};
    return fail(Code::kInvalidArgument, "too many bad records; the last in {}: {}", step,
                rejection.message);
}

TaskWorld::~TaskWorld() {
    if (task != nullptr && stepper.task_count() > 0) cancel_and_run();
}

void TaskWorld::make(bool has_errors) {
    seat = std::make_unique<TaskSeat>(world, registry);
    std::unique_ptr<task::ErrorRows> rows;
    if (has_errors) {
        std::vector<std::unique_ptr<task::OutputEdge>> edges;
        edges.push_back(task::make_forward_edge(errors));
        errors.attach_consumer(neighbour);
        rows = std::make_unique<task::ErrorRows>(std::move(edges), seat->batches);
    }
    task = std::make_unique<task::Task>(
        task::Task::Options{.name = "task", .labels = {}, .calls_max = calls_max},
        task::Task::Environment{clock, registry, listener, policy}, std::move(rows));
    listener.running.enter();
}

ScriptedSource& TaskWorld::add_source() {
    auto source = std::make_unique<ScriptedSource>(diary);
    ScriptedSource& added = *source;
    task->chain().add_source(std::move(source), toy_context("source", clock, *task, *seat, world));
    return added;
}

ScriptedStep& TaskWorld::add_root(std::string name, state::SnapshotReader* restored) {
    auto step = std::make_unique<ScriptedStep>(diary, name);
    ScriptedStep& added = *step;
    input.attach_producer(neighbour);
    std::vector<std::vector<task::InputChannel*>> inputs{{&input}};
    if (second_input) {
        second_input->attach_producer(neighbour);
        inputs.push_back({&*second_input});
    }
    task->chain().add_root(
        std::move(step),
        toy_context(names_.emplace_back(std::move(name)), clock, *task, *seat, world),
        std::make_unique<task::InputGate>(inputs), restored);
    return added;
}

ScriptedStep& TaskWorld::add_step(std::string name, task::OperatorChain::Link link) {
    auto step = std::make_unique<ScriptedStep>(diary, name);
    ScriptedStep& added = *step;
    task->chain().add_step(
        std::move(step),
        toy_context(names_.emplace_back(std::move(name)), clock, *task, *seat, world), link);
    return added;
}

task::LocalChannel& TaskWorld::add_edge(std::uint32_t node, std::size_t window_bytes,
                                        std::uint32_t side) {
    task::LocalChannel& channel = outputs.emplace_back(window_bytes);
    channel.attach_consumer(neighbour);
    task->chain().add_edge(node, side, task::make_forward_edge(channel));
    return channel;
}

std::string drain(task::LocalChannel& channel) {
    std::string text;
    while (auto element = channel.poll()) {
        if (!text.empty()) text += " ";
        if (const auto* batch = std::get_if<data::BatchPtr>(&*element)) {
            const auto ordinals = ordinals_of(**batch);
            text += ordinals.size() == 1 ? fmt::format("{}", ordinals.front())
                                         : fmt::format("{}..{}", ordinals.front(), ordinals.back());
        } else if (const auto* watermark = std::get_if<data::Watermark>(&*element)) {
            text += fmt::format("{}{}", watermark->is_idle ? "i" : "w", watermark->event_time_ms);
        } else if (const auto* barrier = std::get_if<data::CheckpointBarrier>(&*element)) {
            text += fmt::format("b{}", barrier->checkpoint_id);
        } else {
            text += "end";
        }
    }
    return text;
}

}  // namespace millrace::test
