// Measures models by the scores that their rows got just before they were learned.
//
// It has no input channel: the models' writers hand it every scored batch, in the order of
// learning. Main output: one quality record for each full window of a model, and one for what is
// left at the end. Side output (`audit`): id, model, score and label of every row, in the same
// order.
//
// A snapshot holds the open windows. Rows that were taken from a model and not counted yet are
// behind the cut, where the model's own state begins.
//
// Threads, Ownership, Failure: as the operator contract says. The models outlive the step.
// Limits:     kRowsPerCall rows a call, or what one batch of output takes. A model's writer waits
//             when this step lags.

#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ml/metrics.h"
#include "operators/learning/shared_model.h"
#include "operators/operator.h"
#include "operators/registry.h"
#include "runtime/data/batch_builder.h"

namespace millrace::operators {

class EvaluateSource final : public Source {
  public:
    struct Options {
        std::uint64_t window_rows = 10'000;
        data::SchemaPtr quality;       // Schema of the main output.
        data::SchemaPtr audit;         // Null when there is none.
        std::size_t audit_column = 0;  // The id, in the train step's input.
    };

    static constexpr std::size_t kRunsMax = 128;
    static constexpr std::size_t kRowsPerCall = 4096;

    EvaluateSource(std::vector<SharedModel*> models, Options options);

    static OperatorSpec spec();

    Status open(OperatorContext& context) override;
    Status restore(state::SnapshotReader& reader) override;
    Status add_splits(std::span<const Split> splits) override;
    Result<Progress> poll(Output& output) override;
    Result<Progress> snapshot(std::uint64_t checkpoint_id, state::SnapshotWriter& writer) override;
    // Its barrier is to travel with the scored rows.
    [[nodiscard]] bool starts_barriers() const override { return false; }
    void close() noexcept override;

  private:
    // One model and the window that is open.
    struct Watched {
        SharedModel* model = nullptr;
        ml::BinaryMetrics window;
        std::uint64_t rows = 0;  // Of all windows.
        std::int32_t split = 0;  // Quality records need a position of their own.
        std::int64_t windows = 0;
        bool is_ended = false;
        metrics::Gauge* logloss = nullptr;
        metrics::Gauge* logloss_baseline = nullptr;
        metrics::Gauge* auc = nullptr;
        metrics::Gauge* calibration = nullptr;
        metrics::Gauge* normalized_entropy = nullptr;
    };

    // Takes scored rows of the next model that has some.
    void take_turn();
    // Counts rows of `left_`.
    Status count_some();
    Status count(const SharedModel::WorkItem& item, std::size_t row);
    Status close_window(Watched& watched);
    Status audit(const Watched& watched, const SharedModel::WorkItem& item, std::size_t row);
    [[nodiscard]] bool is_full() const;
    // Closes the windows of models that have ended; true when all have.
    Result<bool> end_windows();
    void show(Watched& watched, const ml::MetricsReport& report);
    void flush(Output& output);

    std::vector<Watched> watched_;
    const Options options_;
    OperatorContext* context_ = nullptr;
    std::optional<data::BatchBuilder> quality_;
    std::optional<data::BatchBuilder> audit_;
    std::array<SharedModel::ScoredRun, kRunsMax> runs_;
    std::span<SharedModel::ScoredRun> left_;  // Of runs_: not counted yet.
    std::size_t turn_ = 0;                    // Whose they are, or were.
};

}  // namespace millrace::operators
