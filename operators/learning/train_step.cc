#include "operators/learning/train_step.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "operators/job_resources.h"
#include "operators/learning/label_column.h"
#include "operators/learning/model_plan.h"
#include "proto/job.pb.h"
#include "runtime/base/check.h"
#include "runtime/data/batch_memory.h"

namespace millrace::operators {
namespace {

// What one call lends to the models, all together.
constexpr Duration kTurn = std::chrono::milliseconds(1);

Result<OutputSchemas> schemas(const OperatorRequest& request) {
    const proto::TrainStep& step = request.job.steps(request.declared).train();
    const auto column = request.inputs[0]->index_of(step.label());
    if (!column || !is_label_type(request.inputs[0]->fields()[*column].type.kind)) {
        return fail(Code::kInvalidArgument, "the label is no numeric field of the input: {}",
                    step.label());
    }
    return OutputSchemas{};
}

Result<std::unique_ptr<Operator>> make(const OperatorRequest& request, JobResources& resources) {
    const proto::TrainStep& step = request.job.steps(request.declared).train();
    const data::Schema& input = *request.inputs[0];
    std::vector<TrainStep::Target> targets;
    for (const std::string& name : step.models()) {
        MILLRACE_TRY_ASSIGN(SharedModel * model, resources.model(name));
        MILLRACE_TRY_ASSIGN(const std::size_t column, features_column(request.job, name, input));
        targets.push_back({.model = model, .features_column = column});
    }
    const std::size_t label = *input.index_of(step.label());
    return std::make_unique<TrainStep>(std::move(targets), label, input.fields()[label].type.kind);
}

}  // namespace

OperatorSpec TrainStep::spec() {
    return {.role = Role::kStep,
            .type = "train",
            .doc = "Learns from records that carry a label.",
            .schemas = schemas,
            .make = make};
}

TrainStep::TrainStep(std::vector<Target> targets, std::size_t label_column, data::Kind label_kind)
    : targets_(std::move(targets)), label_column_(label_column), label_kind_(label_kind) {}

Status TrainStep::open(OperatorContext& context) {
    context_ = &context;
    for (Target& target : targets_) target.trainer = target.model->attach_trainer(context.waker);
    return {};
}

SharedModel::WorkItem* TrainStep::claim(Target& target, std::uint32_t feed) {
    if (auto* item = target.model->claim(target.trainer, feed)) return item;
    // No item is free: empty the queue, or have it emptied, then look once more.
    apply(target, kTurn);
    return target.model->claim(target.trainer, feed);
}

Result<Progress> TrainStep::process(const data::BatchPtr& batch, std::uint32_t input, Output&) {
    if (batch->rows() == 0) return Progress::kDone;
    if (!in_hand_.batch) {
        in_hand_ = {.batch = batch, .input = input};
        // A network buffer is the sender's credit, and the queue may be long.
        if (batch->is_short_lived()) {
            MILLRACE_TRY_ASSIGN(in_hand_.batch, data::compact(batch, context_->batches));
        }
    }
    unpark();
    if (is_parked(input) || !queue(in_hand_)) {
        if (!may_park(input)) return wait_for_room();
        parked_.push_back(std::move(in_hand_));
    }
    in_hand_ = {};
    apply_all();
    return Progress::kDone;
}

// Some models may have got the batch already, or one that was parked.
Progress TrainStep::wait_for_room() {
    for (const Target& target : targets_) {
        if (!target.model->is_writer(target.trainer)) target.model->call_writer();
    }
    return wait();
}

bool TrainStep::queue(Load& load) {
    for (; load.queued_at < targets_.size(); ++load.queued_at) {
        Target& target = targets_[load.queued_at];
        SharedModel::WorkItem* item = claim(target, is_ordered() ? load.input : 0);
        if (item == nullptr) return false;
        item->batch = load.batch;
        item->features_column = static_cast<std::uint32_t>(target.features_column);
        const data::Batch& rows = *load.batch;
        read_labels(rows.column(label_column_), label_kind_, rows.rows(), item->labels);
        target.model->enqueue(item);
    }
    return true;
}

void TrainStep::unpark() {
    for (auto load = parked_.begin(); load != parked_.end();) {
        const bool gone = is_next(*load) && has_room_for(*load) && queue(*load);
        load = gone ? parked_.erase(load) : load + 1;
    }
    std::erase_if(ended_while_parked_, [this](std::uint32_t input) {
        if (is_parked(input)) return false;
        end_feed(input);
        return true;
    });
}

bool TrainStep::may_unpark() const {
    return std::ranges::any_of(
        parked_, [this](const Load& load) { return is_next(load) && has_room_for(load); });
}

bool TrainStep::is_next(const Load& load) const {
    return &*std::ranges::find(parked_, load.input, &Load::input) == &load;
}

bool TrainStep::has_room_for(const Load& load) const {
    const Target& target = targets_[load.queued_at];
    return target.model->has_room(target.trainer, load.input);
}

bool TrainStep::is_parked(std::uint32_t input) const {
    return std::ranges::find(parked_, input, &Load::input) != parked_.end();
}

bool TrainStep::may_park(std::uint32_t input) const {
    if (!is_ordered()) return false;
    std::size_t count = 0;
    std::size_t bytes = 0;
    for (const Load& load : parked_) {
        if (load.input != input) continue;
        ++count;
        bytes += load.batch->bytes();
    }
    return count < kParkedMax && bytes < kParkedBytesMax;
}

bool TrainStep::takes(std::uint32_t input) const {
    if (!is_ordered()) return true;
    return !is_parked(input) && std::ranges::all_of(targets_, [input](const Target& target) {
        return target.model->has_room(target.trainer, input);
    });
}

Status TrainStep::on_input_end(std::uint32_t input) {
    if (is_parked(input)) {
        ended_while_parked_.push_back(input);
    } else {
        end_feed(input);
    }
    apply_all();
    return {};
}

// An input is here what one subtask upstream makes; only one train subtask gets its rows, but all
// hear of its end.
void TrainStep::end_feed(std::uint32_t feed) {
    for (const Target& target : targets_) {
        if (!target.model->is_ordered()) continue;
        const OrderPlan& order = *target.model->options().order;
        if (order.feed_owners[feed] == context_->subtask) target.model->end_feed(feed);
    }
}

void TrainStep::apply(const Target& target, Duration share) {
    const TimePoint deadline = context_->clock.now() + share;
    const auto applied = target.model->apply(target.trainer, deadline);
    more_ = more_ || applied == SharedModel::Applied::kMore;
}

void TrainStep::apply_all() {
    more_ = false;
    const Duration share = kTurn / static_cast<int>(targets_.size());
    for (const Target& target : targets_) apply(target, share);
}

Status TrainStep::on_tick(Output&) {
    unpark();
    apply_all();
    return {};
}

TimePoint TrainStep::next_tick() const {
    if (more_ || may_unpark()) return TimePoint::min();
    TimePoint next = TimePoint::max();
    for (const Target& target : targets_) {
        if (!target.model->is_writer(target.trainer)) continue;
        if (target.model->has_news()) return TimePoint::min();
        next = std::min(next, target.model->next_tick());
    }
    return next;
}

Result<Progress> TrainStep::on_end(Output&) {
    unpark();
    if (!parked_.empty()) {
        apply_all();
        return may_unpark() ? Progress::kYield : wait();
    }
    if (is_ordered()) {
        const auto feeds = targets_.front().model->options().order->feed_owners.size();
        for (std::uint32_t feed = 0; feed < feeds; ++feed) end_feed(feed);
    }
    apply_all();
    // As the writer it also applies what others have queued.
    if (more_) return Progress::kYield;
    for (const Target& target : targets_) {
        if (!target.model->is_drained(target.trainer)) return wait();
    }
    for (const Target& target : targets_) target.model->end_trainer(target.trainer);
    return Progress::kDone;
}

void TrainStep::close() noexcept {
    if (context_ != nullptr) {
        for (const Target& target : targets_) target.model->leave(target.trainer);
    }
    in_hand_ = {};
    parked_.clear();
    context_ = nullptr;
}

}  // namespace millrace::operators
