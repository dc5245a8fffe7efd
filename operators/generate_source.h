// Makes records out of their number: ad impressions with their label, or a sequence.
//
// Event number n is a pure function of preset, seed and n, so a restart makes the same records. The
// whole stream is one split, made by the subtask that has it; others have nothing to do. A snapshot
// holds the number of the first event that was not emitted.
//
//   ctr:       impression_id "i%08d" of n, ts 1700000000000 + n, f0 to f19, label (ml::Synthetic-
//              CtrStream)
//   sequence:  value n
//
// Threads:    the task's.
// Ownership:  owns the stream.
// Limits:     one batch a poll; after a pause at most kCatchUp worth of events comes at once.
// Failure:    memory only.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "operators/operator.h"
#include "operators/registry.h"
#include "operators/source_batcher.h"
#include "operators/split_positions.h"
#include "runtime/data/batch_builder.h"
#include "runtime/data/schema.h"

namespace millrace::operators {

class GenerateSource final : public Source {
  public:
    static constexpr Duration kCatchUp = std::chrono::seconds(1);

    enum class Preset : std::uint8_t { kCtr, kSequence };

    struct Options {
        Preset preset = Preset::kSequence;
        std::optional<double> rate;  // Events a second; none = as fast as they are taken.
        std::uint64_t seed = 1;
        std::optional<std::int64_t> limit;  // Events in all; none = no end.
        Duration linger = kLingerDefault;
    };

    // The time of event 0; each one after it is a millisecond later.
    static constexpr std::int64_t kFirstMs = 1'700'000'000'000;

    static OperatorSpec spec();
    [[nodiscard]] static data::SchemaPtr schema_of(Preset preset);

    explicit GenerateSource(Options options);
    ~GenerateSource() override;

    Status open(OperatorContext& context) override;
    Status restore(state::SnapshotReader& reader) override;
    Status add_splits(std::span<const Split> splits) override;
    Result<Progress> poll(Output& output) override;
    Result<Progress> snapshot(std::uint64_t checkpoint_id, state::SnapshotWriter& writer) override;
    [[nodiscard]] TimePoint next_tick() const override { return tick_at_; }
    Status on_tick(Output& output) override;
    void close() noexcept override;

  private:
    class Maker;  // Writes event n into a builder.
    class CtrMaker;
    class SequenceMaker;

    // How many events are due now, at most a batch.
    std::size_t due_events();
    void plan_next_tick();

    const Options options_;
    OperatorContext* context_ = nullptr;
    std::optional<Split> split_;
    std::unique_ptr<Maker> maker_;
    std::optional<data::BatchBuilder> builder_;

    std::int64_t next_event_ = 0;
    // Pacing: `paced_` events have been made since `paced_from_`.
    std::optional<TimePoint> paced_from_;
    double paced_ = 0;
    TimePoint tick_at_ = TimePoint::max();
};

}  // namespace millrace::operators
