#include "operators/learning/train_step.h"

#include <algorithm>
#include <chrono>

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
    // No item is free: help to empty the queue, then look once more.
    apply(target, kTurn);
    return target.model->claim(target.trainer, feed);
}

Result<Progress> TrainStep::process(const data::BatchPtr& batch, std::uint32_t input, Output&) {
    if (batch->rows() == 0) return Progress::kDone;
    if (!in_hand_) {
        in_hand_ = batch;
        // A network buffer is the sender's credit, and the queue may be long.
        if (batch->is_short_lived()) {
            MILLRACE_TRY_ASSIGN(in_hand_, data::compact(batch, context_->batches));
        }
    }
    for (; queued_at_ < targets_.size(); ++queued_at_) {
        Target& target = targets_[queued_at_];
        SharedModel::WorkItem* item = claim(target, is_ordered() ? input : 0);
        if (item == nullptr) return wait();
        item->batch = in_hand_;
        item->features_column = static_cast<std::uint32_t>(target.features_column);
        read_labels(in_hand_->column(label_column_), label_kind_, in_hand_->rows(), item->labels);
        target.model->enqueue(item);
    }
    in_hand_ = {};
    queued_at_ = 0;
    apply_all();
    return Progress::kDone;
}

bool TrainStep::takes(std::uint32_t input) const {
    if (!is_ordered()) return true;
    return std::ranges::all_of(targets_, [input](const Target& target) {
        return target.model->has_room(target.trainer, input);
    });
}

Status TrainStep::on_input_end(std::uint32_t input) {
    end_feed(input);
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
    const auto applied = target.model->apply(context_->clock.now() + share);
    more_ = more_ || applied == SharedModel::Applied::kMore;
}

void TrainStep::apply_all() {
    more_ = false;
    const Duration share = kTurn / static_cast<int>(targets_.size());
    for (const Target& target : targets_) apply(target, share);
}

Status TrainStep::on_tick(Output&) {
    apply_all();
    return {};
}

TimePoint TrainStep::next_tick() const {
    if (more_) return TimePoint::min();
    TimePoint next = TimePoint::max();
    for (const Target& target : targets_) next = std::min(next, target.model->next_tick());
    return next;
}

Result<Progress> TrainStep::on_end(Output&) {
    if (is_ordered()) {
        const auto feeds = targets_.front().model->options().order->feed_owners.size();
        for (std::uint32_t feed = 0; feed < feeds; ++feed) end_feed(feed);
    }
    apply_all();
    // Other trainers have left the token to this one, and with it the rows that they queued.
    if (more_) return Progress::kYield;
    for (const Target& target : targets_) {
        if (!target.model->is_drained(target.trainer)) return wait();
    }
    for (Target& target : targets_) target.model->end_trainer(target.trainer);
    return Progress::kDone;
}

void TrainStep::close() noexcept {
    in_hand_ = {};
    context_ = nullptr;
}

}  // namespace millrace::operators
