// One operator of a chain: its inbox, where its outputs go, and what its last call said.
//
// Threads:    the task's.
// Ownership:  owns the operator and its edges; borrows the nodes behind it.
// Limits:     kInboxMax elements: one call's batches (operators::kEmitBatchesMax), a watermark
//             between any two of them, and one control element.
// Failure:    what went wrong while the operator emitted is kept and answered by take_failure().

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "operators/operator.h"
#include "runtime/base/status.h"
#include "runtime/state/snapshot.h"
#include "runtime/task/bad_records.h"
#include "runtime/task/output_edge.h"

namespace millrace::task {

// The elements that an operator has still to take, oldest first.
class Inbox {
  public:
    static constexpr std::size_t kInboxMax = 16;
    struct Item {
        data::Element element;
        std::uint32_t input = 0;
    };

    [[nodiscard]] bool is_empty() const { return count_ == 0; }
    [[nodiscard]] const Item& front() const { return items_[begin_]; }
    void pop();
    // A watermark right behind another one becomes one with it. REQUIRES: room.
    void push(data::Element element, std::uint32_t input);

  private:
    std::array<Item, kInboxMax> items_;
    std::size_t begin_ = 0;
    std::size_t count_ = 0;
};

// What crosses the borders of a whole task.
struct ChainTraffic {
    metrics::Counter rows_in;
    metrics::Counter bytes_in;
    metrics::Counter batches_in;
    metrics::Counter rows_out;
    metrics::Counter bytes_out;
    metrics::Counter batches_out;
};

// What the operators of one chain share.
struct ChainCommons {
    BadRecords bad_records;
    ChainTraffic traffic;
    TimePoint now{};  // Of the call under way.
};

class ChainNode final : public operators::Output {
  public:
    static constexpr std::uint32_t kSidesMax = 4;

    // Exactly one of `source` and `step` is set.
    ChainNode(std::unique_ptr<operators::Source> source, std::unique_ptr<operators::Step> step,
              operators::OperatorContext context, ChainCommons& commons);

    void add_child(std::uint32_t side, ChainNode& child, std::uint32_t input);
    void add_edge(std::uint32_t side, std::unique_ptr<OutputEdge> edge);

    // operators::Output.
    void emit(data::BatchPtr batch) override { emit_to(0, std::move(batch)); }
    void emit_to(std::uint32_t side, data::BatchPtr batch) override;
    void emit_watermark(data::Watermark watermark) override;
    Status reject(const operators::Rejection& rejection) override;

    // Takes one element in, and counts it.
    void receive(data::Element element, std::uint32_t input);
    // Sends a barrier or the end to every output.
    Status pass_on(const data::Element& control);
    // The same, but to the operators of this chain only.
    void pass_to_children(const data::Element& control);
    // Of a source that has ended: fails when too much of what it read was bad.
    Status judge_end();
    // The first error since the last call; forgets it, and how much was emitted.
    Status take_failure();

    // True when nothing waits behind it and its edges take batches; or only control elements.
    [[nodiscard]] bool has_room_behind();
    [[nodiscard]] bool has_control_room_behind();
    [[nodiscard]] bool have_edges_room();

    [[nodiscard]] operators::Operator& op() { return *operator_; }
    [[nodiscard]] operators::Source* source() { return source_; }
    [[nodiscard]] operators::Step* step() { return step_; }
    [[nodiscard]] operators::OperatorContext& context() { return context_; }
    [[nodiscard]] std::string_view name() const { return context_.step; }
    template <class F>
    void for_each_edge(F&& f) {
        for (Side& side : sides_) {
            for (auto& edge : side.edges) f(*edge);
        }
    }
    // Rows of the main output, and records that were bad. Read by any thread.
    [[nodiscard]] std::uint64_t rows_out() const { return rows_out_.value(); }
    [[nodiscard]] std::uint64_t rows_rejected() const { return rows_rejected_.value(); }
    // Batches emitted by the call under way.
    [[nodiscard]] bool has_emitted() const { return has_emitted_; }
    [[nodiscard]] std::size_t depth() const { return depth_; }

    // The chain's notes.
    Inbox inbox;
    state::SnapshotReader* restored = nullptr;        // To restore from; null for a fresh start.
    std::unique_ptr<state::SnapshotWriter> snapshot;  // Of the barrier at the front.
    TimePoint tick = TimePoint::max();                // next_tick() after the last call.
    bool is_open = false;
    bool is_blocked = false;  // Said kBlocked about the inbox's front, and nothing rang since.
    bool is_dry = false;      // A source that had nothing, and nothing rang since.
    bool has_ticked = false;  // Nothing but ticks ran since its on_tick(): others come first.
    bool has_ended = false;

  private:
    struct Child {
        ChainNode* node = nullptr;
        std::uint32_t input = 0;
    };
    struct Side {
        std::vector<Child> children;
        std::vector<std::unique_ptr<OutputEdge>> edges;
        std::size_t emitted = 0;  // By the call under way.

        [[nodiscard]] bool has_empty_inboxes() const;
    };

    void note(Status status);

    std::unique_ptr<operators::Operator> operator_;
    operators::Source* const source_;
    operators::Step* const step_;
    operators::OperatorContext context_;
    ChainCommons& commons_;
    std::array<Side, kSidesMax> sides_;
    std::size_t depth_ = 0;
    bool has_emitted_ = false;
    Status failure_;

    metrics::Counter& rows_in_;
    metrics::Counter& bytes_in_;
    metrics::Counter& batches_in_;
    metrics::Counter& rows_out_;
    metrics::Counter& bytes_out_;
    metrics::Counter& batches_out_;
    metrics::Counter& rows_rejected_;
    metrics::Gauge& watermark_in_;
    metrics::Gauge& watermark_out_;
};

}  // namespace millrace::task
