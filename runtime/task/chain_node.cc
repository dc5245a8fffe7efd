#include "runtime/task/chain_node.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <variant>

#include "runtime/base/check.h"

namespace millrace::task {

namespace {

metrics::Counter& counter(operators::OperatorContext& context, std::string_view name) {
    return context.metrics.counter(fmt::format("flink_taskmanager_job_task_operator_{}", name),
                                   fmt::format("{} (scope: taskmanager_job_task_operator)", name));
}

metrics::Gauge& gauge(operators::OperatorContext& context, std::string_view name) {
    metrics::Gauge& made =
        context.metrics.gauge(fmt::format("flink_taskmanager_job_task_operator_{}", name),
                              fmt::format("{} (scope: taskmanager_job_task_operator)", name));
    // What Flink shows before the first watermark.
    made.set(static_cast<double>(std::numeric_limits<std::int64_t>::min()));
    return made;
}

void show(metrics::Gauge& gauge, const data::Watermark& watermark) {
    if (watermark.event_time_ms == data::kNoEventTime) return;  // Idle, and says nothing new.
    gauge.set(static_cast<double>(watermark.event_time_ms));
}

}  // namespace

void Inbox::pop() {
    MILLRACE_CHECK_GT(count_, 0U);
    items_[begin_].element = data::EndOfInput{};  // Drops the batch.
    begin_ = (begin_ + 1) % kInboxMax;
    --count_;
}

void Inbox::push(data::Element element, std::uint32_t input) {
    if (count_ > 0 && std::holds_alternative<data::Watermark>(element)) {
        Item& last = items_[(begin_ + count_ - 1) % kInboxMax];
        if (auto* const watermark = std::get_if<data::Watermark>(&last.element)) {
            *watermark = data::merged(*watermark, std::get<data::Watermark>(element));
            return;
        }
    }
    MILLRACE_CHECK_LT(count_, kInboxMax);
    items_[(begin_ + count_) % kInboxMax] = {.element = std::move(element), .input = input};
    ++count_;
}

ChainNode::ChainNode(std::unique_ptr<operators::Source> source,
                     std::unique_ptr<operators::Step> step, operators::OperatorContext context,
                     ChainCommons& commons)
    : source_(source.get()),
      step_(step.get()),
      context_(context),
      commons_(commons),
      rows_in_(counter(context_, "numRecordsIn")),
      bytes_in_(counter(context_, "numBytesIn")),
      batches_in_(counter(context_, "numBatchesIn")),
      rows_out_(counter(context_, "numRecordsOut")),
      bytes_out_(counter(context_, "numBytesOut")),
      batches_out_(counter(context_, "numBatchesOut")),
      rows_rejected_(counter(context_, "numRecordsRejected")),
      watermark_in_(gauge(context_, "currentInputWatermark")),
      watermark_out_(gauge(context_, "currentOutputWatermark")) {
    MILLRACE_CHECK((source != nullptr) != (step != nullptr));
    if (source != nullptr) {
        operator_ = std::move(source);
        commons_.bad_records.add_source(name());
    } else {
        operator_ = std::move(step);
    }
}

void ChainNode::add_child(std::uint32_t side, ChainNode& child, std::uint32_t input) {
    MILLRACE_CHECK_LT(side, kSidesMax);
    sides_[side].children.push_back({.node = &child, .input = input});
    child.depth_ = depth_ + 1;
}

void ChainNode::add_edge(std::uint32_t side, std::unique_ptr<OutputEdge> edge) {
    MILLRACE_CHECK_LT(side, kSidesMax);
    sides_[side].edges.push_back(std::move(edge));
}

void ChainNode::emit_to(std::uint32_t side, data::BatchPtr batch) {
    if (side >= kSidesMax || !batch) {
        return note(fail(Code::kInternal, "emitted {} to output {} of {}",
                         batch ? "a batch" : "nothing", side, kSidesMax));
    }
    Side& to = sides_[side];
    if (++to.emitted > operators::kEmitBatchesMax) {
        return note(fail(Code::kInternal, "emitted more than {} batches in one call",
                         operators::kEmitBatchesMax));
    }
    has_emitted_ = true;
    if (side == 0) {
        rows_out_.add(batch->rows());
        bytes_out_.add(batch->bytes());
        batches_out_.add();
        if (source_ != nullptr) commons_.bad_records.on_records_read(batch->rows(), commons_.now);
    }
    for (const Child& child : to.children) child.node->receive(batch, child.input);
    for (auto& edge : to.edges) {
        commons_.traffic.rows_out.add(batch->rows());
        commons_.traffic.bytes_out.add(batch->bytes());
        commons_.traffic.batches_out.add();
        note(edge->place(batch, commons_.now));
    }
}

void ChainNode::emit_watermark(data::Watermark watermark) {
    show(watermark_out_, watermark);
    for (Side& side : sides_) {
        for (const Child& child : side.children) child.node->receive(watermark, child.input);
        for (auto& edge : side.edges) edge->place(watermark);
    }
}

Status ChainNode::reject(const operators::Rejection& rejection) {
    rows_rejected_.add();
    return commons_.bad_records.reject(name(), rejection, commons_.now);
}

void ChainNode::receive(data::Element element, std::uint32_t input) {
    if (const auto* batch = std::get_if<data::BatchPtr>(&element)) {
        rows_in_.add((*batch)->rows());
        bytes_in_.add((*batch)->bytes());
        batches_in_.add();
    } else if (const auto* watermark = std::get_if<data::Watermark>(&element)) {
        show(watermark_in_, *watermark);
    }
    inbox.push(std::move(element), input);
}

void ChainNode::pass_to_children(const data::Element& control) {
    for (Side& side : sides_) {
        for (const Child& child : side.children) child.node->receive(control, child.input);
    }
}

Status ChainNode::pass_on(const data::Element& control) {
    pass_to_children(control);
    for (Side& side : sides_) {
        for (auto& edge : side.edges) MILLRACE_TRY(edge->place_control(control, commons_.now));
    }
    return {};
}

Status ChainNode::judge_end() {
    return commons_.bad_records.on_source_end(name(), rows_out(), rows_rejected());
}

Status ChainNode::take_failure() {
    has_emitted_ = false;
    for (Side& side : sides_) side.emitted = 0;
    return std::exchange(failure_, Status{});
}

void ChainNode::note(Status status) {
    if (failure_.has_value() && !status.has_value()) failure_ = std::move(status);
}

bool ChainNode::have_edges_room() {
    ErrorRows* const errors = commons_.bad_records.errors();
    if (errors != nullptr && !errors->has_room()) return false;
    return std::ranges::all_of(sides_, [](Side& side) {
        return std::ranges::all_of(side.edges, [](auto& edge) { return edge->has_room(); });
    });
}

bool ChainNode::has_room_behind() {
    return std::ranges::all_of(sides_, &Side::has_empty_inboxes) && have_edges_room();
}

bool ChainNode::has_control_room_behind() {
    ErrorRows* const errors = commons_.bad_records.errors();
    if (errors != nullptr && !errors->has_control_room()) return false;
    return std::ranges::all_of(sides_, [](Side& side) {
        return side.has_empty_inboxes() &&
               std::ranges::all_of(side.edges, [](auto& e) { return e->has_control_room(); });
    });
}

bool ChainNode::Side::has_empty_inboxes() const {
    return std::ranges::all_of(children,
                               [](const Child& child) { return child.node->inbox.is_empty(); });
}

}  // namespace millrace::task
