// Reads lines from a TCP server that it connects to.
//
// It cannot be replayed: a restart goes on with what comes then, and a snapshot holds only how many
// lines there were, so that ordinals go on. When the connection breaks, the source connects again
// with a growing pause and says why; the half line that was under way is rejected.
//
// Threads:    the task's.
// Ownership:  owns the connection; its buffer is the slot's.
// Limits:     record_bytes_max a line; pauses of kPauseMin to kPauseMax.
// Failure:    memory only. A server that is away is a trouble to show.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "operators/detachable_waker.h"
#include "operators/format/record_decoder.h"
#include "operators/line_buffer.h"
#include "operators/line_connection.h"
#include "operators/operator.h"
#include "operators/registry.h"
#include "operators/source_batcher.h"
#include "operators/split_positions.h"

namespace millrace::operators {

class SocketSource final : public Source {
  public:
    static constexpr std::size_t kLinesMax = 1000;  // Of one call of the decoder.
    static constexpr Duration kPauseMin = std::chrono::seconds(1);
    static constexpr Duration kPauseMax = std::chrono::seconds(30);

    struct Options {
        std::string address;
        BatchingOptions batching;
    };

    static OperatorSpec spec();

    SocketSource(Options options, std::unique_ptr<RecordDecoder> decoder, LineConnector connector);

    Status open(OperatorContext& context) override;
    Status restore(state::SnapshotReader& reader) override;
    Status add_splits(std::span<const Split> splits) override;
    Result<Progress> poll(Output& output) override;
    Result<Progress> snapshot(std::uint64_t checkpoint_id, state::SnapshotWriter& writer) override;
    Status on_tick(Output& output) override;
    [[nodiscard]] TimePoint next_tick() const override;
    [[nodiscard]] std::string trouble() const override { return trouble_; }
    void close() noexcept override;

  private:
    void connect();
    Status on_broken(const Error& cause, Output& output);
    // Reads once; true when bytes came.
    Result<bool> read_more(Output& output);
    void collect();
    Status reject_line(std::string_view code, std::string_view message, Output& output);
    Status take_pending(Output& output);
    void settle();

    const Options options_;
    const LineConnector connector_;
    std::unique_ptr<RecordDecoder> decoder_;  // Until open().
    OperatorContext* context_ = nullptr;
    std::shared_ptr<DetachableWaker> waker_;

    std::optional<Split> split_;
    std::unique_ptr<LineConnection> connection_;
    std::unique_ptr<LineBuffer> lines_;
    std::unique_ptr<SourceBatcher> batcher_;
    std::string trouble_;
    Duration pause_ = kPauseMin;
    TimePoint connect_at_ = TimePoint::max();

    std::array<RawRecord, kLinesMax> records_;
    std::span<const RawRecord> pending_;
    bool long_line_ = false;      // Behind the pending ones stands one that is too long.
    std::int64_t next_line_ = 0;  // To be collected.
    std::int64_t taken_ = 0;
    std::int64_t settled_ = 0;
};

}  // namespace millrace::operators
