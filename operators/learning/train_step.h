// Hands labelled rows to the models that learn from them, and lends them this task's time.
//
// A batch is queued at each model once; then the task applies what is queued there if no other task
// is doing so. With `order: arrival` batches are learned in the order in which they come. With
// `order: canonical` each input of the step is a feed (row_order.h), and one that is too far ahead
// is not taken until the others have come up. Batches that come all the same, because a barrier is
// being aligned, are parked here: the rows that they wait for may stand behind the barrier.
//
// Threads, Ownership, Failure: as the operator contract says. The models outlive the step.
// Limits:     a batch goes to a model when that has a free item for it. kParkedMax batches of a
//             feed are parked, of kParkedBytesMax bytes and one batch; more of it waits.

#pragma once

#include <vector>

#include "operators/learning/shared_model.h"
#include "operators/operator.h"
#include "operators/registry.h"

namespace millrace::operators {

class TrainStep final : public Step {
  public:
    // One model and where its inputs stand in the batch.
    struct Target {
        SharedModel* model = nullptr;
        std::size_t features_column = 0;
        std::uint32_t trainer = 0;  // Set by open().
    };

    static constexpr std::size_t kParkedMax = 128;
    // Of each feed: the widest window of a channel, and as much again for what its maker sends
    // before the barrier's trigger reaches it.
    static constexpr std::size_t kParkedBytesMax = std::size_t{2} << 20;

    // REQUIRES: either all models or none are ordered, by the same feeds.
    TrainStep(std::vector<Target> targets, std::size_t label_column, data::Kind label_kind);

    static OperatorSpec spec();

    Status open(OperatorContext& context) override;
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                             Output& output) override;
    [[nodiscard]] bool takes(std::uint32_t input) const override;
    Status on_input_end(std::uint32_t input) override;
    Status on_tick(Output& output) override;
    [[nodiscard]] TimePoint next_tick() const override;
    Result<Progress> on_end(Output& output) override;
    void close() noexcept override;

  private:
    // A batch, or a copy that may be kept, on its way to the models.
    struct Load {
        data::BatchPtr batch;
        std::uint32_t input = 0;
        std::size_t queued_at = 0;  // How many models have got it.
    };

    // Queues the load at the models that have not got it; false when one has no room.
    bool queue(Load& load);
    // Queues what is parked, as far as there is room.
    void unpark();
    [[nodiscard]] bool may_unpark() const;
    // Whether nothing older of its input is parked; and whether a model has room for it.
    [[nodiscard]] bool is_next(const Load& parked) const;
    [[nodiscard]] bool has_room_for(const Load& load) const;
    [[nodiscard]] bool is_parked(std::uint32_t input) const;
    [[nodiscard]] bool may_park(std::uint32_t input) const;
    [[nodiscard]] bool is_ordered() const { return targets_.front().model->is_ordered(); }
    SharedModel::WorkItem* claim(Target& target, std::uint32_t feed);
    // Lends one turn to the models that have rows.
    void apply_all();
    void apply(const Target& target, Duration share);
    void end_feed(std::uint32_t feed);
    // Rings the writers before it waits.
    [[nodiscard]] Progress wait_for_room();
    [[nodiscard]] Progress wait() const { return more_ ? Progress::kYield : Progress::kBlocked; }

    std::vector<Target> targets_;
    const std::size_t label_column_;
    const data::Kind label_kind_;
    OperatorContext* context_ = nullptr;
    Load in_hand_;              // Of the process() that is not done; without a batch: none.
    std::vector<Load> parked_;  // Oldest first. Ordered models only.
    std::vector<std::uint32_t> ended_while_parked_;  // Inputs that end when unparked.
    bool more_ = false;  // A queue is not empty and nobody else sees to it.
};

}  // namespace millrace::operators
