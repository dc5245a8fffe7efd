// Makes records from their number: the synthetic click stream, or a sequence.
//
// Record n is a pure function of n and the seed, so a restart repeats exactly what came before. The
// whole stream is one split, read by the subtask that has it; other subtasks have nothing to do.
//
// Threads, Ownership, Failure: as the operator contract says.
// Limits:     one batch a call; at most `rate` records a second, counted from the first poll.

#pragma once

#include <cstdint>
#include <optional>

#include "ml/synthetic_ctr.h"
#include "operators/operator.h"
#include "operators/registry.h"
#include "runtime/data/batch_builder.h"

namespace millrace::operators {

class GenerateSource final : public Source {
  public:
    enum class Preset : std::uint8_t { kCtr, kSequence };

    struct Options {
        Preset preset = Preset::kCtr;
        std::uint64_t seed = 1;
        double rate = 0;                    // Records a second; 0 = as fast as they are taken.
        std::optional<std::int64_t> limit;  // Records in all.
    };

    // The time of record 0 of the click stream; each one after it is a millisecond later.
    static constexpr std::int64_t kFirstMs = 1'700'000'000'000;

    explicit GenerateSource(const Options& options);

    static OperatorSpec spec();
    static Result<data::SchemaPtr> schema_of(Preset preset);

    Status open(OperatorContext& context) override;
    Status add_splits(std::span<const Split> splits) override;
    Result<Progress> poll(Output& output) override;
    Status on_tick(Output& output) override;
    [[nodiscard]] TimePoint next_tick() const override { return due_; }
    Result<Progress> snapshot(std::uint64_t checkpoint_id, state::SnapshotWriter& writer) override;
    Status restore(state::SnapshotReader& reader) override;
    void close() noexcept override;

  private:
    // Records that the rate and the limit allow now.
    [[nodiscard]] std::int64_t allowed(TimePoint now);
    Status write_click();
    void write_number();

    const Options options_;
    OperatorContext* context_ = nullptr;
    std::optional<data::BatchBuilder> builder_;
    ml::SyntheticCtrStream stream_;
    std::optional<std::int32_t> split_;
    std::int64_t next_ = 0;           // Number of the next record.
    std::int64_t paced_from_ = 0;     // The record with which the rate began to count,
    std::optional<TimePoint> began_;  // and when.
    TimePoint due_ = TimePoint::max();
};

}  // namespace millrace::operators
