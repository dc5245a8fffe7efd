// Writes each row as a JSON line to a file, which appears under its name when the input has ended.
//
// While the job runs the lines go to PATH.partial; the end of input syncs and renames it, so that
// whoever sees PATH sees all of it. With several subtasks each has a file of its own, PATH.0,
// PATH.1 and so on. A job that is cancelled leaves PATH.partial behind.
//
// Exactly once as far as snapshots go: a snapshot syncs the file and holds its length, a restore
// cuts the file back to it. Without a snapshot a restart begins the file anew.
//
// Threads:    the task's; the disk is touched on threads that may block, opening apart.
// Ownership:  owns the file.
// Limits:     RowWriter's buffers.
// Failure:    kPermissionDenied, kNotFound (no such folder), kUnavailable (disk full), kCorruption
// (a
//             file shorter than the snapshot says); with the path.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "operators/operator.h"
#include "operators/registry.h"
#include "operators/row_writer.h"
#include "runtime/base/run_blocking.h"

namespace millrace::operators {

class FileSink final : public Step {
  public:
    static constexpr Duration kFlushAfter = std::chrono::milliseconds(200);

    static OperatorSpec spec();

    FileSink(std::string path, std::unique_ptr<RecordEncoder> encoder, RunBlocking blocking);

    Status open(OperatorContext& context) override;
    Status restore(state::SnapshotReader& reader) override;
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                             Output& output) override;
    Status on_watermark(data::Watermark, Output&) override { return {}; }
    Result<Progress> on_end(Output& output) override;
    Result<Progress> snapshot(std::uint64_t checkpoint_id, state::SnapshotWriter& writer) override;
    Status on_tick(Output& output) override;
    [[nodiscard]] TimePoint next_tick() const override { return flush_at_; }
    void close() noexcept override;

  private:
    Status open_file();
    [[nodiscard]] std::string partial() const { return final_path_ + ".partial"; }

    const std::string path_;
    std::string final_path_;                  // With the subtask's number, if there are several.
    std::unique_ptr<RecordEncoder> encoder_;  // Until the file is open.
    const RunBlocking blocking_;
    OperatorContext* context_ = nullptr;
    std::shared_ptr<DetachableWaker> waker_;
    std::unique_ptr<RowWriter> writer_;
    std::uint64_t bytes_restored_ = 0;
    std::size_t row_ = 0;  // Of the present batch.
    TimePoint flush_at_ = TimePoint::max();
};

}  // namespace millrace::operators
