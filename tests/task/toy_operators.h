// Operators for tests of tasks: they do what the contract allows, as inconveniently as it allows.
//
// Threads:    each operator one at a time; the CutBook any.
// Ownership:  operators borrow the CutBook.
// Failure:    a broken rule is written to the CutBook and reported by the test.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "operators/operator.h"
#include "runtime/base/random.h"
#include "runtime/base/thread_annotations.h"

namespace millrace::test {

// What sources and sinks of one run report: every row seen, every cut, every broken rule.
class CutBook {
  public:
    using Ordinals = std::map<std::int32_t, std::int64_t>;  // By split.

    void saw(std::uint32_t sink, const data::Position& row);
    void source_cut(std::uint64_t checkpoint, std::int32_t split, std::int64_t next);
    // Rows of each split that one subtask of a sink saw before the barrier, and the highest one.
    void sink_cut(std::uint64_t checkpoint, std::uint32_t sink, const Ordinals& rows,
                  const Ordinals& highest);
    void broke(std::string rule);

    struct Cut {
        Ordinals sources;
        std::map<std::uint32_t, Ordinals> rows;     // By sink, summed over its subtasks.
        std::map<std::uint32_t, Ordinals> highest;  // By sink.
        std::map<std::uint32_t, std::uint32_t> subtasks;
    };
    [[nodiscard]] std::map<std::uint64_t, Cut> cuts() const;
    // How often each row of a sink was seen, by split and ordinal.
    [[nodiscard]] std::map<std::pair<std::int32_t, std::int64_t>, int> rows_of(
        std::uint32_t sink) const;
    [[nodiscard]] std::vector<std::string> broken() const;

  private:
    mutable Mutex mutex_;
    std::map<std::uint32_t, std::map<std::pair<std::int32_t, std::int64_t>, int>> seen_
        MILLRACE_GUARDED_BY(mutex_);
    std::map<std::uint64_t, Cut> cuts_ MILLRACE_GUARDED_BY(mutex_);
    std::vector<std::string> broken_ MILLRACE_GUARDED_BY(mutex_);
};

// Emits rows 0 .. `rows` - 1 of one split in batches of random size; now and then has nothing,
// yields, or emits a watermark. Its state is the next ordinal.
class SequenceSource final : public operators::Source {
  public:
    SequenceSource(CutBook& book, std::int32_t split, std::int64_t rows, std::uint64_t seed)
        : book_(book), split_(split), rows_(rows), random_(seed) {}

    Status open(operators::OperatorContext& context) override;
    Status add_splits(std::span<const operators::Split>) override { return {}; }
    Result<operators::Progress> poll(operators::Output& output) override;
    Result<operators::Progress> snapshot(std::uint64_t checkpoint_id,
                                         state::SnapshotWriter& writer) override;
    Status restore(state::SnapshotReader& reader) override;
    Status on_tick(operators::Output&) override;
    [[nodiscard]] TimePoint next_tick() const override { return tick_; }
    void close() noexcept override;

  private:
    CutBook& book_;
    const std::int32_t split_;
    const std::int64_t rows_;
    Random random_;
    operators::OperatorContext* context_ = nullptr;
    std::int64_t next_ = 0;
    TimePoint tick_ = TimePoint::max();
};

// Hands its rows on: whole, or in two halves with a yield between them; blocks now and then until
// a ring or a tick. Checks that it is called again with the same batch.
class MoodyStep final : public operators::Step {
  public:
    MoodyStep(CutBook& book, std::uint64_t seed) : book_(book), random_(seed) {}

    Status open(operators::OperatorContext& context) override;
    Result<operators::Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                                        operators::Output& output) override;
    Result<operators::Progress> snapshot(std::uint64_t checkpoint_id,
                                         state::SnapshotWriter& writer) override;
    Result<operators::Progress> on_end(operators::Output& output) override;
    Status on_tick(operators::Output&) override;
    [[nodiscard]] TimePoint next_tick() const override { return tick_; }
    void close() noexcept override;

  private:
    enum class Mood { kFresh, kWaited, kHalfDone };

    // Says kBlocked and takes care to be called again.
    operators::Progress block();

    CutBook& book_;
    Random random_;
    operators::OperatorContext* context_ = nullptr;
    const data::Batch* current_ = nullptr;  // The batch that was not finished.
    Mood mood_ = Mood::kFresh;
    bool has_settled_ = false;  // Before a snapshot or the end, it blocks once.
    bool has_ended_ = false;
    TimePoint tick_ = TimePoint::max();
};

// Notes every row; checks watermarks, and on request that rows of a split come in order.
class NotingSink final : public operators::Step {
  public:
    NotingSink(CutBook& book, std::uint32_t sink, bool is_ordered)
        : book_(book), sink_(sink), is_ordered_(is_ordered) {}

    Status open(operators::OperatorContext&) override { return {}; }
    Result<operators::Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                                        operators::Output& output) override;
    Status on_watermark(data::Watermark watermark, operators::Output& output) override;
    Result<operators::Progress> snapshot(std::uint64_t checkpoint_id,
                                         state::SnapshotWriter& writer) override;
    Result<operators::Progress> on_end(operators::Output& output) override;

  private:
    void see(const data::Position& row);

    CutBook& book_;
    const std::uint32_t sink_;
    const bool is_ordered_;
    CutBook::Ordinals rows_;
    CutBook::Ordinals highest_;
    std::optional<std::int64_t> watermark_;
    bool has_ended_ = false;
};

}  // namespace millrace::test
