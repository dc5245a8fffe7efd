// Writes each row as a JSON line to standard output.
//
// At least once: rows are written as they come, and after a restart again from where it starts. A
// checkpoint waits until they are handed to the system.
//
// Threads:    the task's.
// Ownership:  borrows standard output.
// Limits:     RowWriter's buffers; a row waits at most kFlushAfter.
// Failure:    standard output that is closed or full, with the system's words.

#pragma once

#include <cstdint>
#include <memory>

#include <unistd.h>

#include "operators/operator.h"
#include "operators/registry.h"
#include "operators/row_writer.h"
#include "runtime/base/run_blocking.h"

namespace millrace::operators {

class PrintSink final : public Step {
  public:
    static constexpr Duration kFlushAfter = std::chrono::milliseconds(20);

    static OperatorSpec spec();

    // Tests give another descriptor.
    PrintSink(std::unique_ptr<RecordEncoder> encoder, RunBlocking blocking, int fd = STDOUT_FILENO);

    Status open(OperatorContext& context) override;
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                             Output& output) override;
    Status on_watermark(data::Watermark, Output&) override { return {}; }
    Result<Progress> on_end(Output& output) override;
    Result<Progress> snapshot(std::uint64_t checkpoint_id, state::SnapshotWriter& writer) override;
    Status on_tick(Output& output) override;
    [[nodiscard]] TimePoint next_tick() const override;
    void close() noexcept override;

  private:
    Result<Progress> flushed();

    std::unique_ptr<RecordEncoder> encoder_;  // Until open() succeeds.
    const RunBlocking blocking_;
    const int fd_;
    OperatorContext* context_ = nullptr;
    std::shared_ptr<DetachableWaker> waker_;
    std::unique_ptr<RowWriter> writer_;
    std::size_t row_ = 0;  // Of the present batch.
    TimePoint flush_at_ = TimePoint::max();
};

}  // namespace millrace::operators
