#include "runtime/task/operator_chain.h"

#include <algorithm>
#include <ranges>
#include <string>
#include <utility>
#include <variant>

#include "runtime/base/check.h"

namespace millrace::task {

using operators::Progress;

namespace {

// Puts the step's name in front of what its operator said.
template <class T>
Result<T> in_step(const ChainNode& node, Result<T> result) {
    if (result.has_value()) return result;
    return std::unexpected(std::move(result).error().with_context(node.name()));
}

}  // namespace

OperatorChain::OperatorChain(ChainObserver& observer, BadRecordPolicy& policy,
                             std::unique_ptr<ErrorRows> errors)
    : observer_(observer),
      commons_{.bad_records = BadRecords(policy, std::move(errors)), .traffic = {}} {}

OperatorChain::~OperatorChain() {
    for (const auto& node : nodes_) MILLRACE_CHECK(!node->is_open);
}

ChainNode& OperatorChain::add_node(std::unique_ptr<ChainNode> node,
                                   state::SnapshotReader* restored) {
    MILLRACE_CHECK_LT(nodes_.size(), kNodesMax);
    node->restored = restored;
    nodes_.push_back(std::move(node));
    ++running_;
    return *nodes_.back();
}

OperatorChain::NodeId OperatorChain::add_source(std::unique_ptr<operators::Source> source,
                                                operators::OperatorContext context,
                                                state::SnapshotReader* restored) {
    MILLRACE_CHECK(nodes_.empty());
    add_node(std::make_unique<ChainNode>(std::move(source), nullptr, context, commons_), restored);
    return 0;
}

OperatorChain::NodeId OperatorChain::add_root(std::unique_ptr<operators::Step> step,
                                              operators::OperatorContext context,
                                              std::unique_ptr<InputGate> gate,
                                              state::SnapshotReader* restored) {
    MILLRACE_CHECK(nodes_.empty() && gate != nullptr);
    gate_ = std::move(gate);
    add_node(std::make_unique<ChainNode>(nullptr, std::move(step), context, commons_), restored);
    return 0;
}

OperatorChain::NodeId OperatorChain::add_step(std::unique_ptr<operators::Step> step,
                                              operators::OperatorContext context, Link link,
                                              state::SnapshotReader* restored) {
    MILLRACE_CHECK_LT(link.parent, nodes_.size());
    ChainNode& node = add_node(
        std::make_unique<ChainNode>(nullptr, std::move(step), context, commons_), restored);
    nodes_[link.parent]->add_child(link.side, node, link.input);
    return static_cast<NodeId>(nodes_.size() - 1);
}

void OperatorChain::add_edge(NodeId from, std::uint32_t side, std::unique_ptr<OutputEdge> edge) {
    MILLRACE_CHECK_LT(from, nodes_.size());
    nodes_[from]->add_edge(side, std::move(edge));
}

template <class F>
void OperatorChain::for_each_edge(F&& f) {
    for (const auto& node : nodes_) node->for_each_edge(f);
    if (const ErrorRows* errors = commons_.bad_records.errors()) {
        for (const auto& edge : errors->edges()) f(*edge);
    }
}

void OperatorChain::attach(Waker& waker) {
    if (gate_ != nullptr) gate_->attach(waker);
    for_each_edge([&](OutputEdge& edge) { edge.attach(waker); });
}

Status OperatorChain::open(TimePoint now) {
    MILLRACE_CHECK(!nodes_.empty());
    commons_.now = now;
    for (const auto& node : nodes_) deepest_first_.push_back(node.get());
    std::ranges::sort(deepest_first_, std::ranges::greater{}, &ChainNode::depth);
    for (const auto& node : nodes_ | std::views::reverse) {
        MILLRACE_TRY(in_step(*node, open_node(*node)));
    }
    return {};
}

Status OperatorChain::open_node(ChainNode& node) {
    MILLRACE_TRY(node.op().open(node.context()));
    node.is_open = true;
    if (node.restored != nullptr) MILLRACE_TRY(node.op().restore(*node.restored));
    node.tick = node.op().next_tick();
    return {};
}

void OperatorChain::close() noexcept {
    for (const auto& node : nodes_) {
        node->snapshot.reset();
        if (std::exchange(node->is_open, false)) node->op().close();
    }
}

void OperatorChain::unblock() {
    for (const auto& node : nodes_) {
        node->is_blocked = node->is_dry = false;
        node->tick = node->op().next_tick();
    }
}

Status OperatorChain::advance_edges(TimePoint now) {
    commons_.now = now;
    Status first;
    const auto keep = [&](Status status) {
        if (first.has_value() && !status.has_value()) first = std::move(status);
    };
    for (const auto& node : nodes_) {
        node->for_each_edge([&](OutputEdge& edge) { keep(edge.advance(now)); });
    }
    if (ErrorRows* errors = commons_.bad_records.errors()) keep(errors->advance(now));
    if (const Error* why = failed_edge()) keep(std::unexpected(*why));
    return first;
}

bool OperatorChain::is_front_runnable(ChainNode& node) const {
    if (node.is_blocked || node.inbox.is_empty()) return false;
    const bool is_barrier =
        std::holds_alternative<data::CheckpointBarrier>(node.inbox.front().element);
    return is_barrier ? node.has_control_room_behind() : node.has_room_behind();
}

bool OperatorChain::is_tick_runnable(ChainNode& node) const {
    return node.tick <= commons_.now && !node.has_ended && node.has_room_behind();
}

Result<bool> OperatorChain::run_one(TimePoint now) {
    commons_.now = now;
    ChainNode* ticked_last = nullptr;
    for (ChainNode* node : deepest_first_) {
        const bool is_due = is_tick_runnable(*node);
        if (is_due && !node->has_ticked) {
            MILLRACE_TRY(in_step(*node, run_tick(*node)));
            return true;
        }
        if (is_front_runnable(*node)) {
            MILLRACE_TRY(in_step(*node, run_node(*node)));
            return true;
        }
        if (is_due) ticked_last = node;
    }
    if (may_take_input()) {
        allow_ticks();
        MILLRACE_TRY_ASSIGN(const bool took, take_input());
        if (took) return true;
    }
    // An operator that is due again at once gets its turn after everybody else.
    if (ticked_last == nullptr) return false;
    MILLRACE_TRY(in_step(*ticked_last, run_tick(*ticked_last)));
    return true;
}

void OperatorChain::allow_ticks() {
    for (const auto& node : nodes_) node->has_ticked = false;
}

Status OperatorChain::run_tick(ChainNode& node) {
    node.has_ticked = true;
    MILLRACE_TRY(node.op().on_tick(node));
    node.is_blocked = node.is_dry = false;
    node.tick = node.op().next_tick();
    return node.take_failure();
}

Status OperatorChain::run_node(ChainNode& node) {
    allow_ticks();
    Result<Progress> progress = run_front(node);
    node.tick = node.op().next_tick();
    MILLRACE_TRY(node.take_failure());
    if (!progress) return std::unexpected(std::move(progress).error());
    switch (*progress) {
        case Progress::kDone:
            node.inbox.pop();
            return {};
        case Progress::kYield:
            return {};
        case Progress::kBlocked:
            node.is_blocked = true;
            return {};
        case Progress::kEnd:
            break;
    }
    return fail(Code::kInternal, "said kEnd, which is for sources only");
}

Result<Progress> OperatorChain::run_front(ChainNode& node) {
    const Inbox::Item& item = node.inbox.front();
    if (const auto* batch = std::get_if<data::BatchPtr>(&item.element)) {
        return node.step()->process(*batch, item.input, node);
    }
    if (const auto* watermark = std::get_if<data::Watermark>(&item.element)) {
        MILLRACE_TRY(node.step()->on_watermark(*watermark, node));
        return Progress::kDone;
    }
    if (const auto* barrier = std::get_if<data::CheckpointBarrier>(&item.element)) {
        return run_barrier(node, *barrier);
    }
    return run_end(node);
}

Result<Progress> OperatorChain::run_barrier(ChainNode& node,
                                            const data::CheckpointBarrier& barrier) {
    if (barrier_to_pass_ == 0) {  // This is the root: the barrier begins its way.
        barrier_to_pass_ = nodes_.size();
        barrier_outcome_ = Status{};
    }
    if (barrier_outcome_.has_value() && node.snapshot == nullptr) {
        auto writer = observer_.open_snapshot(barrier.checkpoint_id, node.name());
        if (writer) {
            node.snapshot = *std::move(writer);
        } else {
            barrier_outcome_ = std::unexpected(std::move(writer).error());
        }
    }
    if (node.snapshot != nullptr) {
        auto progress = in_step(node, node.op().snapshot(barrier.checkpoint_id, *node.snapshot));
        if (progress && *progress != Progress::kDone) return progress;
        node.snapshot.reset();
        if (!progress && barrier_outcome_) {
            barrier_outcome_ = std::unexpected(std::move(progress).error());
        }
    }
    --barrier_to_pass_;
    MILLRACE_TRY(pass_on(node, barrier, barrier_to_pass_ == 0));
    if (barrier_to_pass_ == 0) {
        const Duration alignment = gate_ == nullptr ? Duration::zero() : gate_->last_alignment();
        observer_.on_barrier_passed(barrier, alignment, barrier_outcome_);
    }
    return Progress::kDone;
}

Result<Progress> OperatorChain::run_end(ChainNode& node) {
    if (node.step() != nullptr) {
        MILLRACE_TRY_ASSIGN(const Progress progress, node.step()->on_end(node));
        if (progress != Progress::kDone) return progress;
    }
    --running_;
    node.has_ended = true;
    MILLRACE_TRY(pass_on(node, data::EndOfInput{}, running_ == 0));
    return Progress::kDone;
}

Status OperatorChain::pass_on(ChainNode& node, const data::Element& control, bool is_last) {
    const bool is_behind_end =
        node.has_ended && std::holds_alternative<data::CheckpointBarrier>(control);
    if (is_behind_end) {
        node.pass_to_children(control);
        return {};
    }
    MILLRACE_TRY(node.pass_on(control));
    ErrorRows* const errors = commons_.bad_records.errors();
    if (!is_last || errors == nullptr) return {};
    return errors->place_control(control, commons_.now);
}

bool OperatorChain::may_take_input() {
    for (const auto& node : nodes_) {
        if (!node->inbox.is_empty() || !node->has_room_behind()) return false;
    }
    return true;
}

Result<bool> OperatorChain::take_input() {
    if (root().has_ended) return false;
    if (gate_ == nullptr) return poll_source(root());
    operators::Step& step = *root().step();
    MILLRACE_TRY_ASSIGN(auto element, gate_->poll(commons_.now, &step));
    if (!element) return false;
    if (element->ends_input) {
        MILLRACE_TRY(in_step(root(), step.on_input_end(element->input)));
        root().tick = step.next_tick();
        return true;
    }
    if (const auto* batch = std::get_if<data::BatchPtr>(&element->element)) {
        commons_.traffic.rows_in.add((*batch)->rows());
        commons_.traffic.bytes_in.add((*batch)->bytes());
        commons_.traffic.batches_in.add();
    }
    root().receive(std::move(element->element), element->input);
    return true;
}

Result<bool> OperatorChain::poll_source(ChainNode& root) {
    if (root.is_dry) return false;
    Result<Progress> progress = in_step(root, root.source()->poll(root));
    root.tick = root.op().next_tick();
    const bool emitted = root.has_emitted();
    MILLRACE_TRY(in_step(root, root.take_failure()));
    if (!progress) return std::unexpected(std::move(progress).error());
    switch (*progress) {
        case Progress::kDone:
        case Progress::kBlocked:
            root.is_dry = true;
            break;
        case Progress::kYield:
            return true;
        case Progress::kEnd:
            MILLRACE_TRY(root.judge_end());
            root.receive(data::EndOfInput{}, 0);
            return true;
    }
    return emitted;
}

const Error* OperatorChain::failed_edge() {
    const Error* why = nullptr;
    for_each_edge([&](OutputEdge& edge) {
        if (why == nullptr) why = edge.failed();
    });
    return why;
}

WaitsFor OperatorChain::waits_for() {
    bool has_room = true;
    bool is_settled = true;
    for_each_edge([&](OutputEdge& edge) {
        has_room = has_room && edge.has_room();
        is_settled = is_settled && edge.is_settled();
    });
    const bool is_over = running_ == 0 && barrier_to_pass_ == 0 && root().inbox.is_empty();
    if (is_over) return is_settled ? WaitsFor::kNothing : WaitsFor::kOutput;
    if (!has_room) return WaitsFor::kOutput;
    const bool is_blocked =
        std::ranges::any_of(nodes_, [](const auto& node) { return node->is_blocked; });
    return is_blocked ? WaitsFor::kOperator : WaitsFor::kInput;
}

TimePoint OperatorChain::next_tick_after(TimePoint now) const {
    TimePoint next = TimePoint::max();
    const auto consider = [&](TimePoint tick) {
        if (tick > now) next = std::min(next, tick);
    };
    for (const auto& node : nodes_) {
        if (!node->has_ended) consider(node->tick);
        node->for_each_edge([&](OutputEdge& edge) { consider(edge.next_tick()); });
    }
    if (const ErrorRows* errors = commons_.bad_records.errors()) consider(errors->next_tick());
    return next;
}

std::string OperatorChain::trouble() const {
    std::string all;
    for (const auto& node : nodes_) {
        const std::string one = node->op().trouble();
        // The clients of a source and a sink often have one cause.
        if (!one.empty() && !all.contains(one)) all += (all.empty() ? "" : "; ") + one;
    }
    return all;
}

std::string OperatorChain::describe_wait() {
    for (const auto& node : nodes_) {
        if (node->is_blocked) return fmt::format("step `{}` waits for the outside", node->name());
        std::string text;
        node->for_each_edge([&](OutputEdge& edge) {
            if (!text.empty() || edge.has_room()) return;
            text = fmt::format("step `{}` waits for room on channel {} of {}", node->name(),
                               edge.blocking_channel(), edge.channel_count());
        });
        if (!text.empty()) return text;
    }
    return {};
}

bool OperatorChain::inject_barrier(const data::CheckpointBarrier& barrier) {
    ChainNode& source = root();
    MILLRACE_CHECK(source.source() != nullptr);
    if (barrier_to_pass_ > 0 || !source.inbox.is_empty()) return false;
    source.receive(barrier, 0);
    return true;
}

Status OperatorChain::add_splits(std::span<const operators::Split> splits) {
    MILLRACE_CHECK(has_source());
    root().is_dry = false;
    return in_step(root(), root().source()->add_splits(splits));
}

bool OperatorChain::has_source() const { return nodes_.front()->source() != nullptr; }

std::uint64_t OperatorChain::rows_in() const {
    return has_source() ? nodes_.front()->rows_out() : commons_.traffic.rows_in.value();
}

std::uint64_t OperatorChain::rows_rejected() const {
    std::uint64_t sum = 0;
    for (const auto& node : nodes_) sum += node->rows_rejected();
    return sum;
}

bool OperatorChain::starts_barriers() const {
    operators::Source* const source = nodes_.front()->source();
    return source != nullptr && source->starts_barriers();
}

Status OperatorChain::commit(std::uint64_t checkpoint_id) {
    for (const auto& node : nodes_) {
        MILLRACE_TRY(in_step(*node, node->op().commit(checkpoint_id)));
    }
    return {};
}

Status OperatorChain::abort(std::uint64_t checkpoint_id) {
    if (gate_ != nullptr) gate_->abort(checkpoint_id);
    for (const auto& node : nodes_) {
        MILLRACE_TRY(in_step(*node, node->op().abort(checkpoint_id)));
    }
    return {};
}

}  // namespace millrace::task
