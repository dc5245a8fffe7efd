// The operators of one task: a tree, run one call at a time, deepest first.
//
//   gate or source -> [inbox] root -+-> [inbox] step -> edge (channels to other tasks)
//                                   +-> [inbox] step -+-> edge
//                                                     +-> [inbox] sink
//   rejected records of all of them -> errors edge
//
// Each operator has a small inbox. run_one() picks the deepest operator that has something in its
// inbox, is not blocked, and whose outputs are free: the inboxes right behind it are empty and its
// edges have room. New input is taken only when every inbox is empty and every edge has room. So a
// batch goes all the way before the next one comes in, nothing is overdrawn, and an operator that
// yields or blocks is called again with the same batch.
//
// Control elements travel through the same inboxes, in order. A barrier makes an operator write its
// snapshot and then goes on; once it has passed all of them, the observer is told. It needs no room
// for batches, so checkpoints begin at a source whose data has stopped. From a gate it is taken as
// all input is, when there is room for batches: the rows in front of it had to wait for that, too.
// It passes operators that have ended, but no edge behind the end: there the end stands for every
// barrier to come.
//
// Threads:    the task's.
// Ownership:  owns operators, gate and edges; borrows observer, policy and what the contexts name.
// Limits:     kNodesMax operators, ChainNode::kSidesMax outputs each.
// Failure:    run_one() answers an operator's error with its step's name in front. The chain must
//             not be run again after that, only closed.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "operators/operator.h"
#include "runtime/base/status.h"
#include "runtime/state/snapshot.h"
#include "runtime/task/bad_records.h"
#include "runtime/task/chain_node.h"
#include "runtime/task/input_gate.h"
#include "runtime/task/output_edge.h"

namespace millrace::task {

// What a chain that has nothing to run waits for.
enum class WaitsFor : std::uint8_t {
    kInput,     // The gate is empty, or the source has nothing.
    kOutput,    // An edge has no room.
    kOperator,  // An operator said kBlocked: something outside must settle first.
    kNothing,   // Everything has ended and left.
};

// Told by a chain about its checkpoints, on the task's thread.
class ChainObserver {
  public:
    virtual ~ChainObserver() = default;
    // Where the snapshot of one operator goes. An Error fails the checkpoint, not the task.
    virtual Result<std::unique_ptr<state::SnapshotWriter>> open_snapshot(
        std::uint64_t checkpoint_id, std::string_view step) = 0;
    // The barrier has passed every operator; `outcome` is the first error of a snapshot.
    virtual void on_barrier_passed(const data::CheckpointBarrier& barrier, Duration alignment,
                                   const Status& outcome) = 0;
};

class OperatorChain {
  public:
    static constexpr std::size_t kNodesMax = 64;

    using NodeId = std::uint32_t;
    // Where a step gets its input from inside the chain.
    struct Link {
        NodeId parent = 0;
        std::uint32_t side = 0;   // Of the parent's outputs; 0 is the main one.
        std::uint32_t input = 0;  // Of the step's inputs.
    };

    // Without `errors` rejected records are counted and dropped.
    OperatorChain(ChainObserver& observer, BadRecordPolicy& policy,
                  std::unique_ptr<ErrorRows> errors);
    OperatorChain(const OperatorChain&) = delete;
    OperatorChain& operator=(const OperatorChain&) = delete;
    // REQUIRES: closed, or never opened.
    ~OperatorChain();

    // Building, before open(). The first operator is the root; a source, or a step that a gate
    // feeds. `restored` (may be null) outlives open().
    NodeId add_source(std::unique_ptr<operators::Source> source, operators::OperatorContext context,
                      state::SnapshotReader* restored = nullptr);
    NodeId add_root(std::unique_ptr<operators::Step> step, operators::OperatorContext context,
                    std::unique_ptr<InputGate> gate, state::SnapshotReader* restored = nullptr);
    NodeId add_step(std::unique_ptr<operators::Step> step, operators::OperatorContext context,
                    Link link, state::SnapshotReader* restored = nullptr);
    void add_edge(NodeId from, std::uint32_t side, std::unique_ptr<OutputEdge> edge);

    // Attaches gate and edges to the task's waker.
    void attach(Waker& waker);
    // Opens and restores every operator, the last ones first, so that what receives is ready.
    Status open(TimePoint now);
    // Closes what was opened. Idempotent.
    void close() noexcept;

    // Tries again what was blocked, and asks for ticks anew: something rang.
    void unblock();
    // Carries on with what edges hold back or let linger.
    Status advance_edges(TimePoint now);
    // Makes one operator call, or takes one element of input; false when neither is possible now.
    Result<bool> run_one(TimePoint now);
    // After run_one() said false.
    [[nodiscard]] WaitsFor waits_for();
    // When there is something to do without a wake-up. What was due at `now` and did not run waits
    // for room, and room rings.
    [[nodiscard]] TimePoint next_tick_after(TimePoint now) const;

    // Sources only; a chain with a gate gets its barriers from there. False when another barrier or
    // the end is still on its way: try again later.
    bool inject_barrier(const data::CheckpointBarrier& barrier);
    [[nodiscard]] bool has_source() const;
    // Whether it begins with a source that starts barriers.
    [[nodiscard]] bool starts_barriers() const;
    Status add_splits(std::span<const operators::Split> splits);
    // The outcome of a checkpoint, for all operators.
    Status commit(std::uint64_t checkpoint_id);
    Status abort(std::uint64_t checkpoint_id);

    [[nodiscard]] const InputGate* gate() const { return gate_.get(); }
    // Read by any thread, once the chain is built.
    [[nodiscard]] const ChainTraffic& traffic() const { return commons_.traffic; }
    // What came in at its root: through the gate, or read by its source, where a row counts once,
    // whoever takes it next.
    [[nodiscard]] std::uint64_t rows_in() const;
    // Of all operators.
    [[nodiscard]] std::uint64_t rows_rejected() const;
    // For people: where it is stuck; empty when it is not.
    [[nodiscard]] std::string describe_wait();
    // What hinders its operators from outside, in their words; empty when nothing does.
    [[nodiscard]] std::string trouble() const;

  private:
    ChainNode& add_node(std::unique_ptr<ChainNode> node, state::SnapshotReader* restored);
    Status open_node(ChainNode& node);
    [[nodiscard]] bool is_front_runnable(ChainNode& node) const;
    [[nodiscard]] bool is_tick_runnable(ChainNode& node) const;
    [[nodiscard]] bool may_take_input();
    Result<bool> take_input();
    Result<bool> poll_source(ChainNode& root);
    // One call of one operator.
    Status run_tick(ChainNode& node);
    // Something else had its turn: everybody may tick again.
    void allow_ticks();
    Status run_node(ChainNode& node);
    Result<operators::Progress> run_front(ChainNode& node);
    Result<operators::Progress> run_barrier(ChainNode& node,
                                            const data::CheckpointBarrier& barrier);
    Result<operators::Progress> run_end(ChainNode& node);
    // Sends a barrier or the end on; behind the last operator also to the errors edges.
    Status pass_on(ChainNode& node, const data::Element& control, bool is_last);
    [[nodiscard]] ChainNode& root() { return *nodes_.front(); }
    [[nodiscard]] const Error* failed_edge();
    template <class F>
    void for_each_edge(F&& f);

    ChainObserver& observer_;
    ChainCommons commons_;
    std::vector<std::unique_ptr<ChainNode>> nodes_;  // Parents before children.
    std::vector<ChainNode*> deepest_first_;
    std::unique_ptr<InputGate> gate_;

    std::size_t barrier_to_pass_ = 0;  // Operators that the current barrier has not passed.
    Status barrier_outcome_;           // First snapshot error of the current barrier.
    std::size_t running_ = 0;          // Operators that have not ended.
};

}  // namespace millrace::task
